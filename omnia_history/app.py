"""The composition root: builds and runs the server from the environment."""

import asyncio
import signal
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from omnia_core.env import HistoryEnv, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_history.access import Access, fetch_cluster_keys
from omnia_history.database import Database
from omnia_history.routes import Routes

_SHUTDOWN_SECONDS = 5.0

_log = structlog.get_logger()


async def serve(env: HistoryEnv) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the port is in use, or the database URL is invalid.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, stop.set)
    assert isinstance(env.url, SecretStr)  # noqa: S101 - it comes from the environment
    database = Database(env.url.reveal())
    application = Routes(database, env.namespace, _access(env)).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, env.bind_address, env.port).start()
        except OSError as error:
            raise ConfigurationError(
                f"{env.variable('port')}: cannot listen on port {env.port}: {error.strerror}"
            ) from error
        _log.info("ready", port=env.port)
        await stop.wait()
    finally:
        await runner.cleanup()
        await database.close()


def _access(env: HistoryEnv) -> Access | None:
    if env.allow_unauthenticated:
        _log.warning("requests need no credential; this is for development only")
        return None
    fetch = partial(fetch_cluster_keys, env.api_server.rstrip("/"), Path(env.account_path))
    return Access(env.namespace, env.token_namespaces, fetch)
