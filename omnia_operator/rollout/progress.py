"""Measures for the analysis of a rollout's current step."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from omnia_core.suggestions import listed
from omnia_operator.analysis.arguments import ArgumentInvalid
from omnia_operator.api import AgentRuntime, RolloutAnalysis
from omnia_operator.api.rollout import Analysis, AnalysisStatus, RolloutPhase, RolloutStatus
from omnia_operator.api.rolloutanalysis import AgentQuery
from omnia_operator.rollout.analysis import (
    GLANCE_SECONDS,
    asked,
    begun,
    concluded,
    due,
    glanced,
    glanced_at,
    recorded,
    updated,
    wait,
)
from omnia_operator.rollout.arguments import (
    given_arguments,
    missing_arguments,
    unknown_arguments,
)
from omnia_operator.rollout.measuring import Measuring, MetricRequest, PodsRequest, request_of
from omnia_operator.rollout.plan import SOON, AnalysisProgress, World
from omnia_operator.rollout.pod_metrics import PodTarget
from omnia_operator.rollout.times import elapsed

MOST_GLANCED = 50
"""Of more pods every reading is a measurement."""


class AnalysisSource(Protocol):
    """Where analyses are, and the programs of the agent that count."""

    async def template(self, agent: AgentRuntime, name: str) -> RolloutAnalysis | AnalysisProgress:
        """Return the RolloutAnalysis of a name beside an agent, or why there is none."""

    async def targets(
        self, agent: AgentRuntime, query: AgentQuery, since: str
    ) -> tuple[PodTarget, ...]:
        """Return what counts a measure of an agent; `since` is when the analysis began."""


async def analysis_progress(
    source: AnalysisSource,
    agent: AgentRuntime,
    before: RolloutStatus,
    world: World,
    measuring: Measuring,
) -> AnalysisProgress | None:
    """Measure what is due for the current step; None if there is nothing to measure.

    An analysis begins when the candidate has a ready pod, and goes on when it has none.
    """
    step = _current(agent, before)
    running = _running(before, step)
    if step is None or (running is None and not world.candidate_ready):
        measuring.forget(agent.key)
        return None
    found = await source.template(agent, step.template_name)
    if not isinstance(found, RolloutAnalysis):
        return found
    if wrong := _wrong_arguments(step, found):
        return wrong
    arguments = _arguments(agent, before, step, found)
    metrics = found.spec.metrics
    status = updated(
        running or begun(step.template_name, before.current_step or 0, metrics, world.now),
        metrics,
        world.now,
    )
    try:
        status, wake = await _measured(
            source, agent, found, status, arguments, measuring, world.now
        )
    except ArgumentInvalid as error:
        message = f"the RolloutAnalysis {step.template_name} cannot be run: {error}"
        return AnalysisProgress(obstacle="AnalysisArgInvalid", message=message)
    return AnalysisProgress(concluded(status, found.spec), wake=wake)


async def _measured(
    source: AnalysisSource,
    agent: AgentRuntime,
    found: RolloutAnalysis,
    status: AnalysisStatus,
    arguments: Mapping[str, str],
    measuring: Measuring,
    now: str,
) -> tuple[AnalysisStatus, float]:
    """Return the analysis with what has been measured by now, and when to look again."""
    times = {each.name: each.next_time for each in status.metrics}
    age = elapsed(status.start_time, now)
    requests: dict[str, MetricRequest | PodsRequest] = {}
    for metric in found.spec.metrics:
        identity = f"{status.start_time} {times[metric.name]}"
        if (query := metric.provider.agent) is None:
            requests[metric.name] = request_of(metric, arguments, identity, age)
        else:
            targets = await source.targets(agent, query, status.start_time)
            requests[metric.name] = PodsRequest(metric.name, identity, query, targets)
    for name, request in requests.items():
        status = asked(status, name, request.shown)
    metrics = due(status, found.spec.metrics, now)
    between = [
        metric
        for metric in glanced_at(status, found.spec.metrics, now)
        if _is_cheap(requests[metric.name])
    ]
    wanted = [requests[metric.name] for metric in (*metrics, *between)]
    readings = await measuring.readings(agent.key, wanted)
    for metric in metrics:
        if metric.name in readings:
            status = recorded(status, metric, readings[metric.name], arguments, now)
    for metric in between:
        if metric.name in readings:
            status = glanced(status, metric, readings[metric.name], now)
    # An answer that is late is looked for again.
    later = max(SOON, wait(status, now))
    following = glanced_at(status, found.spec.metrics, now)
    if any(_is_cheap(requests[metric.name]) for metric in following):
        later = min(later, GLANCE_SECONDS)
    return status, later


def _is_cheap(request: MetricRequest | PodsRequest) -> bool:
    """Whether a metric may be read more often than it is measured."""
    return isinstance(request, PodsRequest) and len(request.targets) <= MOST_GLANCED


def _current(agent: AgentRuntime, before: RolloutStatus) -> Analysis | None:
    """Return the analysis of the current step; None if it has none."""
    steps = agent.spec.rollout.steps if agent.spec.rollout else ()
    index = before.current_step or 0
    if before.phase is not RolloutPhase.PROGRESSING or index >= len(steps):
        return None
    return steps[index].analysis


def _running(before: RolloutStatus, step: Analysis | None) -> AnalysisStatus | None:
    """Return what was measured since the current step began; None without that."""
    status = before.analysis
    if step is None or status is None:
        return None
    same = (status.template_name, status.step) == (step.template_name, before.current_step or 0)
    since = elapsed(before.step_start_time or "", status.start_time)
    return status if same and since >= 0 else None


def missing_analysis(name: str, place: str, others: Iterable[str]) -> AnalysisProgress:
    """Return that a step waits for a RolloutAnalysis; `place` says where it is not."""
    message = (
        f"the step waits for the RolloutAnalysis {name}, which is not {place}"
        f" ({', '.join(sorted(others)[:10]) or 'none is'}): apply it"
    )
    return AnalysisProgress(obstacle="AnalysisNotFound", message=message)


def _wrong_arguments(step: Analysis, found: RolloutAnalysis) -> AnalysisProgress | None:
    subject = f"the RolloutAnalysis {step.template_name}"
    if unknown := list(unknown_arguments(step, found.spec).values()):
        declared = [each.name for each in found.spec.args]
        message = f"{subject} has no argument {listed(unknown)}, only {listed(declared) or 'none'}"
        return AnalysisProgress(obstacle="AnalysisArgInvalid", message=message)
    if missing := missing_arguments(step, found.spec):
        message = (
            f"{subject} needs a value of {listed(missing)}: add it to args of the step, or of the"
            " RolloutAnalysis"
        )
        return AnalysisProgress(obstacle="AnalysisArgMissing", message=message)
    return None


def _arguments(
    agent: AgentRuntime, before: RolloutStatus, step: Analysis, found: RolloutAnalysis
) -> dict[str, str]:
    """Return the values of the arguments, with those that every analysis has."""
    return {
        **given_arguments(step, found.spec),
        "namespace": agent.key[0],
        "agent": agent.key[1],
        "stable-version": before.stable_version or "",
        "candidate-version": before.candidate_version or "",
        "step": str((before.current_step or 0) + 1),
    }
