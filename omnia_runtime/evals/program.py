"""The program that evaluates the sessions of an agent, beside its pods: one for each agent."""

import asyncio
import signal

import structlog

from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.health import SESSION_STORE, HealthServer, Readiness, ReadinessCheck
from omnia_core.sessions.factory import open_sessions
from omnia_core.telemetry.program import log_start, program_registry
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_runtime.evals.service import EvalService
from omnia_runtime.evals.tracing import EvalTracing
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.observe.store_check import StoreCheck

# The time for the last spans to reach the collector.
_TRACE_SECONDS = 2.0

_log = structlog.get_logger()


async def serve(env: RuntimeEnv) -> None:
    """Evaluate sessions until SIGTERM or SIGINT, then finish those that have begun.

    Raises:
        ConfigurationError: a file or the environment is invalid, or the port is not available.
    """
    if not env.session_type.shared:
        raise ConfigurationError(
            f"{env.variable('session_type')}={env.session_type}: no other program sees these"
            " sessions, and the runtime evaluates them itself"
        )
    log_start("evals", session_store=str(env.session_type))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    registry = program_registry("evals")
    metrics = RuntimeMetrics(registry, env.agent_name, env.namespace)
    store = open_sessions(env)
    evaluated = EvalMetrics(registry, env.agent_name, env.namespace)
    tracer = configure_tracing(env, registry)
    tracing = EvalTracing(tracer, env.agent_name, env.namespace)
    service = EvalService(env, store, registry, metrics, evaluated, tracing=tracing)

    async def ready() -> Readiness:
        return Readiness(ready=not stopped.is_set())

    checks: dict[str, ReadinessCheck] = {SESSION_STORE: StoreCheck(store), **service.checks}
    probes = HealthServer(ready, registry, further=checks)
    try:
        probes.start(env.bind_address, env.health_port)
    except OSError as error:
        raise ConfigurationError(
            f"{env.variable('health_port')}: cannot listen on port {env.health_port}:"
            f" {error.strerror}"
        ) from error
    try:
        service.start()
        _log.info("ready", health_port=env.health_port)
        await stopped.wait()
        _log.info("shutting down")
    finally:
        await service.close()
        await store.close()
        probes.stop()
        if tracer.enabled:
            await asyncio.to_thread(tracer.close, _TRACE_SECONDS)
