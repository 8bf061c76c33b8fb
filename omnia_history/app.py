"""The composition root: builds and runs the server from the environment."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from omnia_core.env import HistoryEnv, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.http.hosts import HostRule
from omnia_core.http.received import ConnectionSettings
from omnia_core.http.server import LimitedServer
from omnia_core.telemetry.program import log_start
from omnia_history.access import Access, fetch_cluster_keys
from omnia_history.filters import ALL_NAMESPACES
from omnia_history.opening import open_database
from omnia_history.routes import Routes

# More than the readers of a namespace open; a new one beyond it replaces one that is idle.
MAX_CONNECTIONS = 512
_KEEP_ALIVE_SECONDS = 75.0
_SHUTDOWN_SECONDS = 5.0

_log = structlog.get_logger()


async def serve(env: HistoryEnv) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the port is in use, or the database URL is invalid.
    """
    log_start("history")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stop.set)
    if env.namespace == ALL_NAMESPACES and not env.allow_unauthenticated:
        raise ConfigurationError(
            f"{env.variable('namespace')}={ALL_NAMESPACES} shows every namespace to everybody:"
            f" it needs {env.variable('allow_unauthenticated')}=true, for development only"
        )
    assert isinstance(env.url, SecretStr)  # noqa: S101 - it comes from the environment
    database = open_database(env.url.reveal())
    # With a credential, a page of another name has nothing to send.
    hosts = HostRule(env.bind_address if env.allow_unauthenticated else None)
    routes = Routes(database, env.namespace, _access(env), hosts=hosts)
    try:
        async with limited_server(routes.application()) as runner:
            try:
                await web.TCPSite(runner, env.bind_address, env.port).start()
            except OSError as error:
                raise ConfigurationError(
                    f"{env.variable('port')}: cannot listen on port {env.port}: {error.strerror}"
                ) from error
            _log.info("ready", port=env.port)
            await stop.wait()
    finally:
        await database.close()


@asynccontextmanager
async def limited_server(application: web.Application) -> AsyncIterator[web.ServerRunner]:
    """Serve an application with limits for its connections. The runner does not listen yet."""
    inner = web.AppRunner(application)
    await inner.setup()
    assert inner.server  # noqa: S101 - made by `setup`
    server = LimitedServer(
        inner.server.request_handler,
        ConnectionSettings(keep_alive=_KEEP_ALIVE_SECONDS),
        max_connections=MAX_CONNECTIONS,
        request_factory=inner.server.request_factory,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()
        await inner.cleanup()


def _access(env: HistoryEnv) -> Access | None:
    if env.allow_unauthenticated:
        _log.warning("requests need no credential; this is for development only")
        return None
    fetch = partial(fetch_cluster_keys, env.api_server.rstrip("/"), Path(env.account_path))
    return Access(env.namespace, env.token_namespaces, fetch)
