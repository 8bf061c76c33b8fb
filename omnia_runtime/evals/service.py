"""The evaluation of the sessions of an agent, built from its environment."""

import asyncio
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from omnia_core.env import RuntimeEnv
from omnia_core.health import EVAL_BUDGET, ReadinessCheck
from omnia_core.names import Mode
from omnia_core.sessions import SessionStore
from omnia_runtime.configuration.reload import POLL_SECONDS
from omnia_runtime.evals.budget import JudgeBudget
from omnia_runtime.evals.definitions import EvalDefinitions
from omnia_runtime.evals.pace import Pace
from omnia_runtime.evals.selection import Rates
from omnia_runtime.evals.session import EvalTerms, SessionEvaluation
from omnia_runtime.evals.tracing import EvalTracing
from omnia_runtime.evals.worker import EvalWorker, WorkerTiming
from omnia_runtime.evals.worker_metrics import WorkerMetrics
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.tools.sources import public_connector


class EvalService:
    """A worker with what it needs.

    Attributes:
        checks: of the health port.
    """

    def __init__(
        self,
        env: RuntimeEnv,
        store: SessionStore,
        registry: CollectorRegistry,
        metrics: RuntimeMetrics,
        evaluated: EvalMetrics,
        *,
        tracing: EvalTracing | None,
        pace: Pace | None = None,
        timing: WorkerTiming | None = None,
    ) -> None:
        """Read the mounted files; `store` has a feed, and `pace` is by default that of `env`.

        Raises:
            ConfigurationError: a file is invalid.
        """
        feed = store.feed
        assert feed is not None  # noqa: S101 - as above
        # Servers that packs name are held to the same addresses as those of tools.
        deny_private = env.tools_deny_private_addresses
        self._models = HTTPClient()
        self._servers = HTTPClient(public_connector) if deny_private else HTTPClient()
        self._definitions = EvalDefinitions(env, self._models, metrics)
        observed = WorkerMetrics(registry, env.agent_name, env.namespace)
        budget = JudgeBudget(feed, env.evals_usd_per_day)
        observed.budget(budget, env.evals_usd_per_day)
        self.checks: Mapping[str, ReadinessCheck] = (
            {} if env.evals_usd_per_day is None else {EVAL_BUDGET: budget.left}
        )
        evaluation = SessionEvaluation(
            store,
            feed,
            self._definitions,
            eval_terms(env),
            self._servers,
            budget,
            evaluated,
            tracing=tracing,
            pace=pace,
        )
        self._worker = EvalWorker(feed, evaluation, observed, timing)
        self._drain_seconds = env.drain_timeout.seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work, on the running event loop."""
        self._tasks = [
            asyncio.create_task(self._worker.run()),
            asyncio.create_task(self._refresh()),
        ]

    async def close(self) -> None:
        """Stop claiming sessions, and finish the begun ones within the time to drain."""
        self._worker.stop()
        await self._worker.drain(self._drain_seconds if self._tasks else 0.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._models.close()
        await self._servers.close()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self._definitions.refresh()


def eval_terms(env: RuntimeEnv) -> EvalTerms:
    """Return how the sessions of an environment are evaluated."""
    return EvalTerms(
        rates=Rates(env.evals_default_rate, env.evals_extended_rate),
        inactivity_seconds=env.evals_inactivity_timeout.seconds,
        session_seconds=env.session_ttl.seconds,
        per_second=env.evals_max_per_second,
        judge_calls=env.evals_max_judge_calls,
        light=env.evals_light,
        function=env.mode is Mode.FUNCTION,
    )
