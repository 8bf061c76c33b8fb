"""The composition root: from an environment to a running server."""

import asyncio
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from omnia_core.env import RuntimeEnv
from omnia_core.env.media import MediaStorageType
from omnia_core.env.transport import GrpcTransport
from omnia_core.errors import ConfigurationError
from omnia_core.health import HealthServer, Readiness
from omnia_core.sessions.opening import open_sessions
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import Live
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.gauges import Levels
from omnia_runtime.observe.metrics import Metrics
from omnia_runtime.server.port import Transport
from omnia_runtime.server.service import RuntimeService
from omnia_runtime.tools.sources import Sources
from omnia_runtime.turns.conversation import Conversations
from omnia_runtime.turns.invocation import Invocations
from omnia_runtime.turns.invocation_record import InvocationRecords
from omnia_runtime.turns.media import MediaFolder
from omnia_runtime.turns.metered_store import MeteredSessionStore
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.uploads import UploadFolder

# What a turn that is cut at the end of the drain has for storing what was said.
_STORE_SECONDS = 2.0
# What the last spans may take to reach the collector.
_TRACE_SECONDS = 2.0
# How long the first turn is kept waiting for tool servers to say which tools they have.
_SETTLE_SECONDS = 5.0

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
        self._store = MeteredSessionStore(open_sessions(env, metrics.retained), metrics)
        media = MediaFolder(Path(env.media_base_path), _uploads(env))
        self._tracer = configure_tracing(env, self._registry)
        tracing = RuntimeTracing.of(self._tracer, env)
        self._conversations = Conversations(self._live, self._store, media, metrics, tracing)
        records = InvocationRecords(self._store, metrics)
        self._invocations = Invocations(self._live, records, metrics, tracing)
        self._service = RuntimeService(
            self._live, self._store, self._conversations, self._invocations
        )
        self._registry.register(
            Levels(
                env.agent_name,
                env.namespace,
                lambda: self._service.streams,
                self._sources.broken,
            )
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
        server = self._transport()
        probes = HealthServer(self._ready, self._registry)
        try:
            probes.start(self._env.bind_address, self._env.health_port)
        except OSError as error:
            raise self._occupied("health_port", error) from error
        try:
            self._sources.start()
            await self._sources.settled(_SETTLE_SECONDS)
            self._live.refresh()
            await server.start(self._env.grpc_host, self._env.grpc_port)
            self._store.start()
            self._serving = True
            watcher = asyncio.create_task(self._live.watch())
            _log.info("ready", grpc_port=self._env.grpc_port, health_port=self._env.health_port)
            await ended.wait()
            await self._drain(server)
            watcher.cancel()
        finally:
            probes.stop()
            await self._conversations.close()
            await self._invocations.close()
            await self._sources.close()
            await self._client.close()
            await self._store.close()
            if self._tracer.enabled:
                await asyncio.to_thread(self._tracer.close, _TRACE_SECONDS)

    def _invalidate(self) -> None:
        self._live.invalidate()

    def _transport(self) -> Transport:
        try:
            _probe(self._env.grpc_host, self._env.grpc_port)
        except OSError as error:
            raise self._occupied("grpc_port", error) from error
        # Imported here: a pod has one, and memory is counted per pod.
        if self._env.grpc_transport is GrpcTransport.GRPCIO:
            from omnia_runtime.server.grpcio import GrpcioTransport  # noqa: PLC0415 - as above

            return GrpcioTransport(self._service)
        from omnia_runtime.server.builtin import BuiltinTransport  # noqa: PLC0415 - as above

        return BuiltinTransport(self._service)

    def _occupied(self, field: str, error: OSError) -> ConfigurationError:
        port = getattr(self._env, field)
        return ConfigurationError(
            f"{self._env.variable(field)}: cannot listen on port {port}: {error.strerror}"
        )

    async def _ready(self) -> Readiness:
        return Readiness(ready=self._serving, detail=self._service.status())

    async def _drain(self, server: Transport) -> None:
        _log.info("shutting down")
        self._serving = False
        await server.leave()
        self._service.drain()
        until = time.monotonic() + self._env.drain_timeout.seconds
        await self._service.quiet(self._env.drain_timeout.seconds)
        await server.stop(max(0.0, until - time.monotonic()))
        await self._service.ended(_STORE_SECONDS)


def _uploads(env: RuntimeEnv) -> UploadFolder | None:
    if env.media_storage_type is MediaStorageType.NONE:
        return None
    return UploadFolder(Path(env.media_storage_path), env.media_max_file_size)


def _probe(host: str, port: int) -> None:
    """Find out whether a port is free: gRPC itself says it in several lines of its own format.

    Raises:
        OSError: it is not.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
