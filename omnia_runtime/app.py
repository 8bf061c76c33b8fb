"""The composition root: builds and runs a runtime from its environment."""

import asyncio
import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from omnia_core.env import RuntimeEnv
from omnia_core.env.shared import GrpcTransport, MediaStorageType, SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.health import BUDGET, SESSION_STORE, HealthServer, Readiness, ReadinessCheck
from omnia_core.sessions import SessionStore
from omnia_core.sessions.factory import open_sessions
from omnia_core.telemetry.program import log_start, program_registry
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metered_store import MeteredSessionStore
from omnia_runtime.observe.metrics import RuntimeMetrics, ScrapedGauges
from omnia_runtime.observe.store_check import StoreCheck
from omnia_runtime.server.port import RuntimeServer
from omnia_runtime.server.service import RuntimeService
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.budget import AgentBudget, BudgetGauge, budget_periods
from omnia_runtime.turns.invocation import InvocationRecords, Invocations
from omnia_runtime.turns.media import MediaLoader, UploadFolder
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing

# The time for a turn that is cancelled at the end of the drain to store its answer.
_STORE_SECONDS = 2.0
# The time for the last spans to reach the collector.
_TRACE_SECONDS = 2.0

if TYPE_CHECKING:
    from omnia_runtime.evals.inline import InlineEvals
    from omnia_runtime.evals.service import EvalService

_log = structlog.get_logger()


class Runtime:
    """A runtime that serves until SIGTERM or SIGINT."""

    def __init__(self, env: RuntimeEnv) -> None:
        """Read the mounted files.

        Raises:
            ConfigurationError: a file or the environment is invalid.
        """
        self._env = env
        self._registry = program_registry("runtime")
        metrics = RuntimeMetrics(self._registry, env.agent_name, env.namespace, env.variant)
        self._client = HTTPClient()
        self._sources = ToolSources(
            self._client, self._invalidate, deny_private=env.tools_deny_private_addresses
        )
        self._configuration = LiveConfiguration(Loader(env, self._client, self._sources, metrics))
        sessions = open_sessions(env, metrics.retained)
        self._store = MeteredSessionStore(sessions, metrics)
        shared = env.session_type is not SessionType.MEMORY
        self._checks: dict[str, ReadinessCheck] = (
            {SESSION_STORE: StoreCheck(sessions)} if shared else {}
        )
        media = MediaLoader(Path(env.media_base_path), _uploads(env))
        self._tracer = configure_tracing(env, self._registry)
        tracing = RuntimeTracing.of(self._tracer, env)
        self._evals, self._eval_service = self._evaluations(sessions, metrics)
        ended = self._evals.submit if self._evals else None
        budget = self._budget()
        self._turns = SessionTurns(
            self._configuration,
            self._store,
            media,
            metrics,
            tracing,
            ended,
            budget,
            keep_variables=bool(env.session_keep_variables),
        )
        records = InvocationRecords(self._store, metrics, ended, costs=budget is not None)
        self._invocations = Invocations(self._configuration, records, metrics, tracing, budget)
        self._service = RuntimeService(
            self._configuration,
            self._store,
            self._turns,
            self._invocations,
            self._sources.broken,
        )
        self._registry.register(
            ScrapedGauges(
                env.agent_name,
                env.namespace,
                lambda: self._service.streams,
                self._sources.broken,
            )
        )
        self._serving = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish the running turns.

        Raises:
            ConfigurationError: a port is not available.
        """
        log_start("runtime", session_store=str(self._env.session_type))
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        server = self._create_server()
        probes = HealthServer(self._ready, self._registry, further=self._checks)
        try:
            probes.start(self._env.bind_address, self._env.health_port)
        except OSError as error:
            raise self._port_error("health_port", error) from error
        try:
            self._sources.start()
            await self._sources.settled()
            self._configuration.refresh()
            await server.start(self._env.grpc_host, self._env.grpc_port)
            await self._serve(server, stopped)
        finally:
            probes.stop()
            await self._turns.close()
            await self._invocations.close()
            if self._evals:
                await self._evals.close()
            if self._eval_service:
                await self._eval_service.close()
            await self._sources.close()
            await self._client.close()
            await self._store.close()
            if self._tracer.enabled:
                await asyncio.to_thread(self._tracer.close, _TRACE_SECONDS)

    async def _serve(self, server: RuntimeServer, stopped: asyncio.Event) -> None:
        """Serve until `stopped` is set, then finish the running turns."""
        self._store.start()
        if self._eval_service:
            self._eval_service.start()
        self._serving = True
        watcher = asyncio.create_task(self._configuration.watch())
        _log.info("ready", grpc_port=self._env.grpc_port, health_port=self._env.health_port)
        try:
            await stopped.wait()
            await self._drain(server)
        finally:
            watcher.cancel()
            # After a drain there is nothing left to stop; a cancelled program still has its port.
            await server.stop(0.0)

    def _budget(self) -> AgentBudget | None:
        env = self._env
        periods = budget_periods(env)
        if not periods:
            return None
        budget = AgentBudget(self._store, periods, env.budget_on_exceeded)
        self._registry.register(BudgetGauge(env.agent_name, env.namespace, budget))
        self._checks[BUDGET] = budget.left
        return budget

    def _evaluations(
        self, store: SessionStore, metrics: RuntimeMetrics
    ) -> "tuple[InlineEvals | None, EvalService | None]":
        """Return what evaluates turns, and sessions that no other program sees."""
        env = self._env
        if not env.evals_enabled:
            return None, None
        # Imported where conversations are evaluated, to save the memory of the other pods.
        from omnia_runtime.evals.inline import inline_evals  # noqa: PLC0415 - as above
        from omnia_runtime.observe.eval_metrics import EvalMetrics  # noqa: PLC0415 - as above

        observed = EvalMetrics(self._registry, env.agent_name, env.namespace)
        inline = inline_evals(env, self._store, observed)
        if not env.evals_worker or env.session_type.shared:
            return inline, None
        from omnia_runtime.evals.service import EvalService  # noqa: PLC0415 - as above
        from omnia_runtime.evals.tracing import EvalTracing  # noqa: PLC0415 - as above

        tracing = EvalTracing(self._tracer, env.agent_name, env.namespace)
        service = EvalService(env, store, self._registry, metrics, observed, tracing=tracing)
        self._checks.update(service.checks)
        return inline, service

    def _invalidate(self) -> None:
        self._configuration.invalidate()

    def _create_server(self) -> RuntimeServer:
        try:
            _probe(self._env.grpc_host, self._env.grpc_port)
        except OSError as error:
            raise self._port_error("grpc_port", error) from error
        # Imported here to save memory: a pod needs only one of the two.
        if self._env.grpc_transport is GrpcTransport.GRPCIO:
            from omnia_runtime.server.grpcio import GrpcioServer  # noqa: PLC0415 - see above

            return GrpcioServer(self._service)
        from omnia_runtime.server.builtin import BuiltinServer  # noqa: PLC0415 - see above

        return BuiltinServer(self._service)

    def _port_error(self, field: str, error: OSError) -> ConfigurationError:
        port = getattr(self._env, field)
        return ConfigurationError(
            f"{self._env.variable(field)}: cannot listen on port {port}: {error.strerror}"
        )

    async def _ready(self) -> Readiness:
        return Readiness(ready=self._serving, detail=self._service.status())

    async def _drain(self, server: RuntimeServer) -> None:
        _log.info("shutting down")
        self._serving = False
        await server.leave()
        self._service.drain()
        deadline = time.monotonic() + self._env.drain_timeout.seconds
        await self._service.wait_until_idle(self._env.drain_timeout.seconds)
        await server.stop(max(0.0, deadline - time.monotonic()))
        await self._service.wait_until_ended(_STORE_SECONDS)


def _uploads(env: RuntimeEnv) -> UploadFolder | None:
    if env.media_storage_type is MediaStorageType.NONE:
        return None
    return UploadFolder(Path(env.media_storage_path), env.media_max_file_size)


def _probe(host: str, port: int) -> None:
    """Check that a port is available. grpcio logs several lines if it is not.

    Raises:
        OSError: the port is not available.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
