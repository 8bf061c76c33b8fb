"""Gauges of the rollouts of agents, computed from their statuses when they are scraped."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.api.rollout import MetricStatus, RolloutStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME
from omnia_operator.cluster.store import Store
from omnia_operator.reconcile.documents import status_of
from omnia_operator.resolve import Key

_AGENT = ["namespace", "agent"]


class RolloutGauges(Collector):
    """Where the rollouts stand. `rollouts` returns their statuses by agent, at each scrape."""

    def __init__(self, rollouts: Callable[[], Iterable[tuple[Key, RolloutStatus]]]) -> None:
        self._rollouts = rollouts

    def collect(self) -> Iterable[GaugeMetricFamily]:
        phase = GaugeMetricFamily(
            "omnia_rollout_phase",
            "Always 1; what the rollout of an agent does, and why.",
            labels=[*_AGENT, "phase", "reason"],
        )
        weight = GaugeMetricFamily(
            "omnia_rollout_weight",
            "Percentage of the new sessions that the candidate gets.",
            labels=_AGENT,
        )
        step = GaugeMetricFamily(
            "omnia_rollout_step",
            "Number of the current step, from 1; 0 without a rollout.",
            labels=_AGENT,
        )
        since = GaugeMetricFamily(
            "omnia_rollout_step_start_timestamp_seconds",
            "When the current step began; without a rollout there is none.",
            labels=_AGENT,
        )
        ended = GaugeMetricFamily(
            "omnia_rollout_last_end_timestamp_seconds",
            "When the last rollout ended, and how.",
            labels=[*_AGENT, "result"],
        )
        measured = GaugeMetricFamily(
            "omnia_rollout_analysis_measurements",
            "Measurements of the last analysis, by metric and result.",
            labels=[*_AGENT, "metric", "result"],
        )
        for key, rollout in sorted(self._rollouts(), key=lambda each: each[0]):
            phase.add_metric([*key, rollout.phase.value, rollout.reason or ""], 1.0)
            weight.add_metric(key, float(rollout.current_weight or 0))
            step.add_metric(key, float(_number(rollout)))
            if rollout.active and rollout.step_start_time:
                since.add_metric(key, _seconds(rollout.step_start_time))
            if rollout.last is not None:
                end = _seconds(rollout.last.time)
                ended.add_metric([*key, rollout.last.result.value], end)
            for metric in rollout.analysis.metrics if rollout.analysis else ():
                for result, count in _counts(metric):
                    measured.add_metric([*key, metric.name, result], float(count))
        yield from (phase, weight, step, since, ended, measured)


def rollout_statuses(store: Store) -> Iterator[tuple[Key, RolloutStatus]]:
    """Yield the status of each agent with a rollout; safe to call from any thread."""
    for key in store.keys(AGENT_RUNTIME):
        agent = store.get(AGENT_RUNTIME, key)
        if agent is not None and (agent.get("status") or {}).get("rollout"):
            rollout = status_of(agent, AgentRuntimeStatus).rollout
            if rollout is not None:
                yield key, rollout


def _number(rollout: RolloutStatus) -> int:
    return (rollout.current_step or 0) + 1 if rollout.active else 0


def _counts(metric: MetricStatus) -> Iterator[tuple[str, int]]:
    yield "successful", metric.successful
    yield "failed", metric.failed
    yield "inconclusive", metric.inconclusive
    yield "error", metric.errors


def _seconds(time: str) -> float:
    return dt.datetime.fromisoformat(time).timestamp()
