"""The composition root: from an environment to a running server."""

import asyncio
import signal
import socket
from contextlib import closing
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry

from omnia_core.env import RuntimeEnv, SecretStr, SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.health import HealthServer, Readiness
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_core.sessions import SessionStore
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.telemetry.tracing.begin import begin_tracing
from omnia_core.wire.runtime.v1 import runtime_pb2, runtime_pb2_grpc
from omnia_runtime.configuration import Loader
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.metrics import Metrics
from omnia_runtime.reload import Live
from omnia_runtime.server.service import RuntimeService
from omnia_runtime.tools.sources import Sources
from omnia_runtime.tracing import RuntimeTracing
from omnia_runtime.turns.conversation import Conversations
from omnia_runtime.turns.invocation import Invocations
from omnia_runtime.turns.media import MediaFolder

# What a turn that is cut at the end of the drain has for storing what was said.
_STORE_SECONDS = 2.0
# What the last spans may take to reach the collector.
_TRACE_SECONDS = 2.0
# How long the first turn is kept waiting for tool servers to say which tools they have.
_SETTLE_SECONDS = 5.0

_SERVICE = runtime_pb2.DESCRIPTOR.services_by_name["RuntimeService"].full_name
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # two runtimes on one port would share its streams silently
    ("grpc.so_reuseport", 0),
)

_log = structlog.get_logger()


class Runtime:
    """A runtime that serves until it is told to end."""

    def __init__(self, env: RuntimeEnv) -> None:
        """Read the mounted files.

        Raises:
            ConfigurationError: they, or the environment, are not usable.
        """
        self._env = env
        self._registry = CollectorRegistry()
        metrics = Metrics(self._registry, env.agent_name, env.namespace)
        self._client = HTTPClient()
        self._sources = Sources(
            self._client, self._invalidate, deny_private=env.tools_deny_private_addresses
        )
        self._live = Live(Loader(env, self._client, self._sources, metrics))
        self._store = _session_store(env)
        media = MediaFolder(Path(env.media_base_path))
        self._tracer = begin_tracing(env, self._registry)
        tracing = RuntimeTracing.of(self._tracer, env)
        self._conversations = Conversations(self._live, self._store, media, metrics, tracing)
        self._service = RuntimeService(
            self._live,
            self._store,
            self._conversations,
            Invocations(self._live, metrics, tracing),
        )
        self._serving = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then end the running turns.

        Raises:
            ConfigurationError: a port is occupied.
        """
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        server, standard = self._server()
        probes = HealthServer(self._ready, self._registry)
        try:
            probes.start(self._env.bind_address, self._env.health_port)
        except OSError as error:
            raise self._occupied("health_port", error) from error
        try:
            self._sources.start()
            await self._sources.settled(_SETTLE_SECONDS)
            self._live.refresh()
            await standard.set(_SERVICE, health_pb2.HealthCheckResponse.SERVING)
            await server.start()
            self._serving = True
            watcher = asyncio.create_task(self._live.watch())
            _log.info("ready", grpc_port=self._env.grpc_port, health_port=self._env.health_port)
            await ended.wait()
            await self._drain(server, standard)
            watcher.cancel()
        finally:
            probes.stop()
            await self._conversations.close()
            await self._sources.close()
            await self._client.close()
            await self._store.close()
            if self._tracer.enabled:
                await asyncio.to_thread(self._tracer.close, _TRACE_SECONDS)

    def _invalidate(self) -> None:
        self._live.invalidate()

    def _server(self) -> "tuple[grpc.aio.Server, health.aio.HealthServicer]":
        host, port = self._env.grpc_host, self._env.grpc_port
        try:
            _probe(host, port)
        except OSError as error:
            raise self._occupied("grpc_port", error) from error
        server = grpc.aio.server(options=_OPTIONS)
        runtime_pb2_grpc.add_RuntimeServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated
            self._service, server
        )
        standard = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(standard, server)
        server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        return server, standard

    def _occupied(self, field: str, error: OSError) -> ConfigurationError:
        port = getattr(self._env, field)
        return ConfigurationError(
            f"{self._env.variable(field)}: cannot listen on port {port}: {error.strerror}"
        )

    async def _ready(self) -> Readiness:
        return Readiness(ready=self._serving, detail=self._service.status())

    async def _drain(
        self, server: "grpc.aio.Server", standard: "health.aio.HealthServicer"
    ) -> None:
        _log.info("shutting down")
        self._serving = False
        await standard.enter_graceful_shutdown()
        self._service.drain()
        await server.stop(self._env.drain_timeout.seconds)
        await self._service.ended(_STORE_SECONDS)


def _session_store(env: RuntimeEnv) -> SessionStore:
    match env.session_type:
        case SessionType.MEMORY:
            return MemorySessionStore(env.session_ttl)
        case SessionType.REDIS:
            url = _session_url(env, "Redis")
            # Imported here: 10 MB that only agents with sessions in Redis pay for.
            from omnia_core.sessions.redis import RedisSessionStore  # noqa: PLC0415 - as above

            return RedisSessionStore(
                url, env.session_ttl, namespace=env.namespace, agent=env.agent_name
            )
        case SessionType.POSTGRES:
            url = _session_url(env, "PostgreSQL")
            # Imported here: likewise for PostgreSQL.
            from omnia_core.sessions.postgres import PostgresSessionStore  # noqa: PLC0415 - as above

            return PostgresSessionStore(
                url, env.session_ttl, namespace=env.namespace, agent=env.agent_name
            )


def _session_url(env: RuntimeEnv, store: str) -> str:
    if not isinstance(env.session_url, SecretStr):
        raise ConfigurationError(
            f"{env.variable('session_url')}: missing; sessions in {store} need its URL"
        )
    return env.session_url.reveal()


def _probe(host: str, port: int) -> None:
    """Find out whether a port is free: gRPC itself says it in several lines of its own format.

    Raises:
        OSError: it is not.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
