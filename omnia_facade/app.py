"""The facade, put together from its environment, served until it is told to stop."""

import asyncio
import contextlib
import errno
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.health import HealthServer, Readiness
from omnia_core.names import Handler, Mode
from omnia_core.telemetry.tracing.begin import begin_tracing
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.mounted import MountedValidators
from omnia_facade.auth.principal import Principal
from omnia_facade.door import Door, House
from omnia_facade.http.head import RequestHead
from omnia_facade.metrics import Metrics
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed
from omnia_facade.sessions import AnnouncedSessions
from omnia_facade.tracing import FacadeTracing
from omnia_facade.turns.handler import TurnHandler
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.endpoint import Endpoint

# What the last spans may take to reach the collector.
TRACE_SECONDS = 2.0

_log = structlog.get_logger()


class Facade:
    """One program: its ports, and what it shares between connections.

    Attributes:
        serving: set when both ports are open.
    """

    def __init__(self, env: FacadeEnv) -> None:
        self.serving = asyncio.Event()
        self._env = env
        self._registry = CollectorRegistry()
        self._metrics = Metrics(self._registry, agent=env.agent_name, namespace=env.namespace)
        self._tracer = begin_tracing(env, self._registry)
        self._tracing = FacadeTracing(self._tracer, env)
        self._connections = Connections(self._metrics, env.handler_mode)
        self._authenticator = Authenticator(
            (MountedValidators(env.auth_path, env.auth_secrets_path),),
            allow_unauthenticated=env.allow_unauthenticated,
        )
        self._metrics.unauthenticated.set(env.allow_unauthenticated)
        self._client = _client(env)
        self._end_http: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._house = House(self._authenticator, allowed_origins=env.allowed_origins)

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
            await self._begin_http()
            if self._env.mode is Mode.AGENT:
                self._house.upgrade = self._endpoint_maker()
            server = await self._listen()
            stack.callback(server.close)
            self._serve_health(stack)
            self._announce()
            await stop.wait()
            await self._drain(server)

    def _endpoint_maker(self) -> Callable[[RequestHead, Principal], Endpoint]:
        handler = self._turn_handler()

        def make(head: RequestHead, principal: Principal) -> Endpoint:
            session_id = str(uuid.uuid4())
            resume = head.parameter("session_id")
            conversation = Conversation(session_id, show_tools=self._env.show_tools)
            dialogue = self._tracing.dialogue(handler.begin(session_id, principal), head.headers)
            return Endpoint(self._connections, dialogue, conversation, resume)

        return make

    def _turn_handler(self) -> TurnHandler:
        # Imported here: a pod has one handler, and memory is counted per pod.
        if self._client:
            from omnia_facade.turns.runtime import RuntimeHandler  # noqa: PLC0415 - as above

            return RuntimeHandler(self._client, self._env.turn_timeout.seconds)
        if self._env.handler_mode is Handler.DEMO:
            from omnia_facade.turns.demo import DemoHandler  # noqa: PLC0415 - as above

            return DemoHandler(AnnouncedSessions())
        from omnia_facade.turns.echo import EchoHandler  # noqa: PLC0415 - as above

        return EchoHandler(AnnouncedSessions())

    async def _begin_http(self) -> None:
        """Serve over HTTP where there is something to serve: aiohttp costs a pod 25 MB."""
        if not serves_http(self._env):
            return
        from omnia_facade.http.routes import routes  # noqa: PLC0415 - as above
        from omnia_facade.http.server import HttpServer  # noqa: PLC0415 - as above

        served = tuple(routes(self._env, self._client, self._metrics, self._tracing))
        server = HttpServer(served, self._authenticator)
        runner = server.runner(self._env.drain_timeout.seconds)
        await runner.setup()
        self._house.http = runner.server
        self._end_http = runner.cleanup

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
    return env.mode is Mode.FUNCTION


def _client(env: FacadeEnv) -> RuntimeClient | None:
    if env.handler_mode is not Handler.RUNTIME:
        return None
    from omnia_facade.runtime_client.grpc_client import GrpcRuntimeClient  # noqa: PLC0415 - 30 MB

    return GrpcRuntimeClient(
        env.runtime_address,
        agent=env.agent_name,
        namespace=env.namespace,
        show_tools=env.show_tools,
        call_seconds=env.turn_timeout.seconds,
    )


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
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Facade(env).serve(stop)
