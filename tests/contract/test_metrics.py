"""docs/reference/metrics.md lists what the programs count, all of it and nothing else."""

import re
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry

from omnia_core.conversation.usage import Usage
from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.retention import RetentionEffects
from omnia_core.telemetry.program import program_registry
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_facade.metrics import FacadeMetrics
from omnia_operator.api.rollout import (
    AnalysisStatus,
    FinishedRollout,
    MetricStatus,
    RolloutResult,
    RolloutStatus,
)
from omnia_operator.cluster.kinds import PROVIDER, SERVICE
from omnia_operator.metrics import OperatorGauges as OperatorLevels
from omnia_operator.metrics import ReconcileMetrics as OperatorMetrics
from omnia_operator.metrics import (
    ReconcileResult,
    RequestMetrics,
    RolloutGauges,
    WorkQueueGauges,
    WorkQueueMetrics,
)
from omnia_runtime.evals.budget import JudgeBudget
from omnia_runtime.evals.worker_metrics import WorkerMetrics
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.observe.metrics import RuntimeMetrics, ScrapedGauges
from omnia_runtime.turns.budget import AgentBudget, BudgetGauge, budget_periods
from tests.contract.metrics_page import CONSTANT, Row, every_row, registered, rows
from tests.contract.packages import ROOT
from tests.contract.test_agreements import sources

# What may make series: the test below sees no other.
MAKERS = {
    "omnia_core/telemetry/program.py",
    "omnia_core/telemetry/tracing/configuration.py",
    "omnia_facade/metrics.py",
    "omnia_operator/metrics/reconciling.py",
    "omnia_operator/metrics/requests.py",
    "omnia_operator/metrics/rollouts.py",
    "omnia_operator/metrics/scraped.py",
    "omnia_operator/metrics/work_queue.py",
    "omnia_runtime/evals/worker_metrics.py",
    "omnia_runtime/observe/eval_metrics.py",
    "omnia_runtime/observe/metrics.py",
    "omnia_runtime/turns/budget.py",
}


TIME = "2026-01-01T00:00:00Z"
RESULT = EvalResult(
    session="s",
    turn=1,
    at="2026-03-01T12:00:00Z",
    evaluation="e",
    type="contains",
    trigger="every_turn",
    source="inline",
    outcome=EvalOutcome.PASSED,
    score=1.0,
)


def facade() -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = FacadeMetrics(registry, agent="a", namespace="n")
    metrics.session_store("runtime")
    metrics.request_ended("runtime", 1.0, success=True, variant="stable")
    metrics.first_chunk(1.0, "stable")
    return registry


def runtime() -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = RuntimeMetrics(registry, "a", "n")
    metrics.model_called("p", "m", "success", 1.0)
    metrics.used("p", "m", Usage())
    metrics.answering("p", "m", 1.0)
    metrics.retried("p")
    metrics.fell_back("p")
    metrics.tool_called("h", "t", "success", 1.0)
    metrics.limit_reached("max_rounds: 5")
    metrics.blocked("banned_words", "output")
    metrics.stored("load", "success", 1.0)
    metrics.retained(RetentionEffects(1, 1, 1))
    metrics.turn_cost(Usage())
    with metrics.measure_turn():
        pass
    registry.register(ScrapedGauges("a", "n", lambda: 1, lambda: {"h": True}))
    env = RuntimeEnv(agent_name="a", namespace="n", budget_usd_per_day=1.0)
    store = MemorySessionStore(env.session_ttl, evaluated=True)
    budget = AgentBudget(store, budget_periods(env), env.budget_on_exceeded)
    registry.register(BudgetGauge("a", "n", budget))
    evals = EvalMetrics(registry, "a", "n")
    evals.recorded(RESULT, "p")
    evals.dropped("queue", 1)
    worker = WorkerMetrics(registry, "a", "n")
    worker.failed()
    assert store.feed
    worker.budget(JudgeBudget(store.feed, 1.0), 1.0)
    return registry


def operator() -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = OperatorMetrics(registry)
    metrics.reconciled(PROVIDER, ReconcileResult.SUCCESS, 1.0)
    metrics.corrected(SERVICE)
    WorkQueueMetrics(registry)
    registry.register(WorkQueueGauges(dict, dict))
    requests = RequestMetrics(registry)
    requests.answered("GET", "h", 200, 1.0)
    registry.register(
        OperatorLevels(
            lambda: {"Provider": 1.0},
            ("lease", lambda: True),
            lambda: {("n", "a"): True},
            lambda: [("n", "a", "Ready", "InvalidSpec")],
            lambda: {("n", "p"): ("Active", 1)},
        )
    )
    metric = MetricStatus(name="m", next_time=TIME, last_data_time=TIME)
    analysis = AnalysisStatus(template_name="t", step=0, start_time=TIME, metrics=(metric,))
    last = FinishedRollout(id="i", result=RolloutResult.PROMOTED, time=TIME)
    rollout = RolloutStatus(active=True, step_start_time=TIME, analysis=analysis, last=last)
    registry.register(RolloutGauges(lambda: [(("n", "a"), rollout)]))
    return registry


def program() -> CollectorRegistry:
    return program_registry("operator")


def by_name(found: Iterable[Row]) -> list[Row]:
    return sorted(found, key=lambda row: row.name)


def traced(env: FacadeEnv | RuntimeEnv) -> list[Row]:
    registry = CollectorRegistry()
    configure_tracing(env, registry).close(1.0)
    return registered(registry, CONSTANT)


@pytest.mark.parametrize(
    ("section", "registry", "hidden"),
    [
        ("Facade", facade(), CONSTANT),
        ("Runtime", runtime(), CONSTANT),
        ("Operator", operator(), frozenset()),
        ("Every program", program(), frozenset()),
    ],
    ids=["facade", "runtime", "operator", "every program"],
)
def test_the_page_lists_every_series_with_its_type_and_labels(
    section: str, registry: CollectorRegistry, hidden: frozenset[str]
) -> None:
    found = registered(registry, hidden)
    if section == "Runtime":
        found += traced(
            RuntimeEnv.parse(
                {
                    "OMNIA_AGENT_NAME": "a",
                    "OMNIA_TRACING_ENABLED": "true",
                    "OMNIA_TRACING_ENDPOINT": "127.0.0.1:1",
                }
            )
        )
    assert by_name(rows(section)) == by_name(found)


def test_all_series_of_a_pod_carry_the_agent_and_its_namespace() -> None:
    for registry in (facade(), runtime()):
        for family in registry.collect():
            assert all(sample.labels.keys() >= CONSTANT for sample in family.samples), family.name


def test_no_other_file_makes_series() -> None:
    found = {
        str(file.relative_to(ROOT))
        for file in sources()
        if "prometheus_client" in (text := file.read_text())
        and re.search(r"\b(Counter|Gauge|Histogram|Summary|Info|\w+MetricFamily)\(", text)
    }
    assert found == MAKERS


def test_no_label_can_hold_what_a_client_or_a_model_says() -> None:
    """A new label is bounded by the manifests, or by the code; then it may be added here."""
    bounded = {
        "direction",
        "dry_run",
        "eval_id",
        "eval_type",
        "handler",
        "kind",
        "limit",
        "mode",
        "metric",
        "model",
        "operation",
        "outcome",
        "period",
        "promptpack_name",
        "source",
        "variant",
    }
    bounded |= {
        "provider",
        "phase",
        "policy",
        "reason",
        "result",
        "status",
        "tool",
        "type",
        "validator_type",
        "variant",
        *CONSTANT,
    }
    # One for each API server, Lease, kind, condition of a status, status code and HTTP method.
    bounded |= {"code", "condition", "controller", "host", "method", "name", "verb"}
    # Of the program itself and its Python.
    bounded |= {
        "component",
        "door",
        "generation",
        "implementation",
        "major",
        "minor",
        "patchlevel",
        "state",
        "version",
    }
    assert {label for row in every_row().values() for label in row.labels} <= bounded
