"""The facade, put together from its environment, served until it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.env.media import MediaStorageType
from omnia_core.names import Handler, Mode
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.mounted import MountedValidators
from omnia_facade.conversations import endpoints, open_keeper, turn_handler
from omnia_facade.entrance.admission import is_loopback
from omnia_facade.entrance.capacity import Capacity
from omnia_facade.entrance.context import EntranceContext, StaticFrontPage, Upgrade
from omnia_facade.entrance.router import ConnectionRouter
from omnia_facade.metrics import Metrics
from omnia_facade.ports import listen, readiness, serve_health
from omnia_facade.runtime_client.opening import open_client
from omnia_facade.timings import USUAL, Timings
from omnia_facade.tracing import FacadeTracing
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.limits import Limits
from omnia_facade.ws.upload_desk import UploadDesk

if TYPE_CHECKING:
    from omnia_facade.http.route import Route

# What the last spans may take to reach the collector.
TRACE_SECONDS = 2.0

_log = structlog.get_logger()


class Facade:
    """One program: its ports, and what it shares between connections.

    Attributes:
        serving: set when both ports are open.
    """

    def __init__(self, env: FacadeEnv, timings: Timings = USUAL) -> None:
        self.serving = asyncio.Event()
        self._env = env
        self._timings = timings
        self._registry = CollectorRegistry()
        self._metrics = Metrics(self._registry, agent=env.agent_name, namespace=env.namespace)
        self._tracer = configure_tracing(env, self._registry)
        self._tracing = FacadeTracing(self._tracer, env)
        self._connections = Connections(self._metrics, env.handler_mode, timings, Limits.of(env))
        self._authenticator = Authenticator(
            (MountedValidators(env.auth_path, env.auth_secrets_path),),
            allow_unauthenticated=env.allow_unauthenticated,
        )
        self._metrics.unauthenticated.set(env.allow_unauthenticated)
        self._metrics.sessions_kept("runtime" if env.handler_mode is Handler.RUNTIME else "pod")
        self._client = open_client(env)
        self._uploads: UploadDesk | None = None
        self._end_http: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._house = EntranceContext(
            self._authenticator,
            Capacity(env.max_connections, env.max_connections_per_user),
            self._metrics.rejected,
            allowed_origins=env.allowed_origins,
            timings=timings,
        )
        self._house.local = env.allow_unauthenticated and is_loopback(env.bind_address or "")

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then drain.

        Raises:
            ConfigurationError: a port is occupied, or a schema does not compile.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self._tracer.enabled:
                stack.push_async_callback(asyncio.to_thread, self._tracer.close, TRACE_SECONDS)
            if self._client:
                stack.push_async_callback(self._client.close)
            await self._begin_http(stack)
            if self._env.mode is Mode.AGENT:
                self._house.upgrade = self._conversations(stack)
            server = await listen(self._env, lambda: ConnectionRouter(self._house))
            stack.callback(server.close)
            ready = partial(readiness, self._house, self._client)
            stack.callback(serve_health(self._env, ready, self._registry).stop)
            self._announce()
            await stop.wait()
            await self._drain(server)

    def _conversations(self, stack: contextlib.AsyncExitStack) -> Upgrade:
        keeper = open_keeper(self._env, self._client, self._metrics, stack)
        handler = turn_handler(self._env, self._client, self._timings, keeper)
        return endpoints(
            self._env, handler, self._connections, self._tracing, self._timings, self._uploads
        )

    async def _begin_http(self, stack: contextlib.AsyncExitStack) -> None:
        """Serve over HTTP where there is something to serve: aiohttp costs a pod 25 MB."""
        if not serves_http(self._env):
            self._house.front = _front(self._env)
            return
        from omnia_facade.http.routes import routes  # noqa: PLC0415 - as above
        from omnia_facade.http.server import HttpServer  # noqa: PLC0415 - as above

        served = [
            *routes(self._env, self._client, self._metrics, self._tracing, self._timings, stack),
            *await self._media_routes(stack),
        ]
        server = HttpServer(served, self._authenticator, self._metrics.rejected)
        runner = server.runner(self._env.drain_timeout.seconds, self._timings)
        await runner.setup()
        self._house.http = runner.server
        self._end_http = runner.cleanup

    async def _media_routes(self, stack: contextlib.AsyncExitStack) -> "list[Route]":
        if self._env.media_storage_type is MediaStorageType.NONE:
            return []
        from omnia_facade.http.media import MediaRoute  # noqa: PLC0415 - as above
        from omnia_facade.media.opening import open_media  # noqa: PLC0415 - as above

        media = await open_media(self._env, self._metrics.media, stack)
        self._uploads = UploadDesk(media.uploads)
        stack.push_async_callback(self._uploads.close)
        return [MediaRoute(media.uploads, media.library, self._metrics.media, self._timings)]

    def _announce(self) -> None:
        env = self._env
        self.serving.set()
        if env.allow_unauthenticated:
            _log.warning("requests need no credential; this is for development only")
        _log.info(
            "serving", port=env.facade_port, mode=str(env.mode), handler=str(env.handler_mode)
        )

    async def _drain(self, server: asyncio.Server) -> None:
        """Let running turns and calls end; new upgrades are still answered, with 503."""
        seconds = self._env.drain_timeout.seconds
        self._house.draining = True
        _log.info("draining", seconds=seconds)
        if self._env.mode is Mode.FUNCTION:
            server.close()
        ends = [self._connections.drain(seconds)]
        if self._end_http:
            ends.append(self._end_http())
        await asyncio.gather(*ends)


def serves_http(env: FacadeEnv) -> bool:
    """Whether a facade answers requests that are no conversation."""
    return env.mode is Mode.FUNCTION or env.media_storage_type is not MediaStorageType.NONE


def _front(env: FacadeEnv) -> StaticFrontPage | None:
    if not env.console:
        return None
    from omnia_facade.console.front import console_front  # noqa: PLC0415 - memory, per pod

    return console_front(env.mode, env.agent_name)


async def run(env: FacadeEnv) -> None:
    """Serve until SIGTERM or SIGINT; the second one does not wait for what is running."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    serving = loop.create_task(Facade(env).serve(stop))

    def end() -> None:
        if stop.is_set():
            _log.warning("ending at once, for it was asked twice")
            serving.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()
