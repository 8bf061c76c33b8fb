"""The facade, put together from its environment, served until it is told to stop."""

import asyncio
import contextlib
import errno
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.env.media import MediaStorageType
from omnia_core.env.sessions import SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.health import HealthServer, Readiness
from omnia_core.names import Handler, Mode
from omnia_core.telemetry.tracing.begin import begin_tracing
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.mounted import MountedValidators
from omnia_facade.auth.principal import Principal
from omnia_facade.capacity import Capacity
from omnia_facade.door import Door
from omnia_facade.house import Front, House
from omnia_facade.http.admission import is_loopback
from omnia_facade.http.head import RequestHead
from omnia_facade.media.port import Uploads
from omnia_facade.metrics import Metrics
from omnia_facade.runtime_client.opening import open_client
from omnia_facade.runtime_client.port import RuntimeFailed
from omnia_facade.sessions import AnnouncedSessions
from omnia_facade.timings import USUAL, Timings
from omnia_facade.tracing import FacadeTracing
from omnia_facade.turns.handler import TurnHandler
from omnia_facade.turns.relayed import Keeper
from omnia_facade.ws.calls import Calls
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.endpoint import Endpoint
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
        self._tracer = begin_tracing(env, self._registry)
        self._tracing = FacadeTracing(self._tracer, env)
        self._connections = Connections(self._metrics, env.handler_mode, timings, Limits.of(env))
        self._authenticator = Authenticator(
            (MountedValidators(env.auth_path, env.auth_secrets_path),),
            allow_unauthenticated=env.allow_unauthenticated,
        )
        self._metrics.unauthenticated.set(env.allow_unauthenticated)
        self._metrics.sessions_kept("runtime" if env.handler_mode is Handler.RUNTIME else "pod")
        self._client = open_client(env)
        self._uploads: Uploads | None = None
        self._end_http: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._house = House(
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
                self._house.upgrade = self._endpoint_maker(self._keeper(stack))
            server = await self._listen()
            stack.callback(server.close)
            self._serve_health(stack)
            self._announce()
            await stop.wait()
            await self._drain(server)

    def _endpoint_maker(
        self, keeper: Keeper | None = None
    ) -> Callable[[RequestHead, Principal], Endpoint]:
        handler = self._turn_handler(keeper)
        calls = Calls(self._env.max_audio_sessions, self._metrics.voice.sessions_active)
        uploads = UploadDesk(self._uploads) if self._uploads else None

        def make(head: RequestHead, principal: Principal) -> Endpoint:
            session_id = str(uuid.uuid4())
            resume = head.parameter("session_id")
            conversation = Conversation(
                session_id,
                show_tools=self._env.show_tools,
                binary=head.parameter("binary") == "true",
                timings=self._timings,
            )
            dialogue = self._tracing.dialogue(handler.begin(session_id, principal), head.headers)
            begin_uploads = partial(uploads.begin, principal) if uploads else None
            return Endpoint(self._connections, dialogue, conversation, resume, calls, begin_uploads)

        return make

    def _keeper(self, stack: contextlib.AsyncExitStack) -> Keeper | None:
        """Return what keeps answers whose runtime dies: nobody, where sessions die with it."""
        if self._client is None or self._env.session_type is SessionType.MEMORY:
            return None
        from omnia_facade.turns.keeping import StoreKeeper  # noqa: PLC0415 - memory, per pod

        keeper = StoreKeeper(self._env, self._metrics.kept_answers)
        stack.push_async_callback(keeper.close)
        return keeper

    def _turn_handler(self, keeper: Keeper | None) -> TurnHandler:
        # Imported here: a pod has one handler, and memory is counted per pod.
        if self._client:
            from omnia_facade.turns.runtime import RuntimeHandler  # noqa: PLC0415 - as above

            return RuntimeHandler(
                self._client, self._env.turn_timeout.seconds, self._timings.cancel, keeper
            )
        if self._env.handler_mode is Handler.DEMO:
            from omnia_facade.turns.demo import DemoHandler  # noqa: PLC0415 - as above

            return DemoHandler(AnnouncedSessions())
        from omnia_facade.turns.echo import EchoHandler  # noqa: PLC0415 - as above

        return EchoHandler(AnnouncedSessions())

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
        self._uploads = media.uploads
        return [MediaRoute(media.uploads, media.library, self._metrics.media, self._timings)]

    async def _listen(self) -> asyncio.Server:
        env = self._env
        loop = asyncio.get_running_loop()
        with _port_errors("facade_port", env.facade_port):
            return await loop.create_server(
                lambda: Door(self._house), env.bind_address, env.facade_port, backlog=1024
            )

    def _serve_health(self, stack: contextlib.AsyncExitStack) -> None:
        health = HealthServer(self._ready, self._registry)
        with _port_errors("health_port", self._env.health_port):
            health.start(self._env.bind_address, self._env.health_port)
        stack.callback(health.stop)

    async def _ready(self) -> Readiness:
        if self._house.draining:
            return Readiness(ready=False, detail="draining")
        if self._client is None:
            return Readiness(ready=True)
        try:
            health = await self._client.health()
        except RuntimeFailed as failed:
            return Readiness(ready=False, detail=f"runtime: {failed.message}")
        return Readiness(health.healthy, "" if health.healthy else f"runtime: {health.status}")

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


def _front(env: FacadeEnv) -> Front | None:
    if not env.console:
        return None
    from omnia_facade.console.front import console_front  # noqa: PLC0415 - memory, per pod

    return console_front(env.mode, env.agent_name)


@contextlib.contextmanager
def _port_errors(field: str, port: int) -> Iterator[None]:
    """Name the variable that has to change."""
    variable = FacadeEnv.variable(field)
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"port {port} is occupied; choose another with {variable}"
            ) from error
        raise ConfigurationError(f"port {port} ({variable}) cannot be used: {error}") from error


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
