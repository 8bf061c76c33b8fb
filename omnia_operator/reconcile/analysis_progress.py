"""Measures for the analysis of a rollout's current step."""

from collections.abc import AsyncIterator, Mapping

from omnia_core.suggestions import listed
from omnia_operator.analysis.arguments import ArgumentInvalid
from omnia_operator.api import AgentRuntime, RolloutAnalysis
from omnia_operator.api.rollout import Analysis, AnalysisStatus, RolloutPhase, RolloutStatus
from omnia_operator.api.rolloutanalysis import AgentQuery
from omnia_operator.cluster.kinds import POD, ROLLOUT_ANALYSIS
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import parsed
from omnia_operator.rollout.analysis import (
    asked,
    begun,
    concluded,
    due,
    recorded,
    updated,
    wait,
)
from omnia_operator.rollout.comparison import MOST_PODS
from omnia_operator.rollout.machine import SOON, AnalysisProgress, World, elapsed
from omnia_operator.rollout.measuring import Measuring, MetricRequest, PodsRequest, request_of
from omnia_operator.rollout.pod_metrics import PodTarget, ports_of


async def analysis_progress(
    cluster: Cluster,
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
    found = await _template(cluster, agent, step)
    if not isinstance(found, RolloutAnalysis):
        return found
    arguments = _arguments(agent, before, step, found)
    if wrong := _wrong_arguments(step, found, arguments):
        return wrong
    metrics = found.spec.metrics
    status = updated(
        running or begun(step.template_name, before.current_step or 0, metrics, world.now),
        metrics,
        world.now,
    )
    try:
        status, wake = await _measured(
            cluster, agent, found, status, arguments, measuring, world.now
        )
    except ArgumentInvalid as error:
        message = f"the RolloutAnalysis {step.template_name} cannot be run: {error}"
        return AnalysisProgress(obstacle="AnalysisArgInvalid", message=message)
    return AnalysisProgress(concluded(status, found.spec), wake=wake)


async def _measured(
    cluster: Cluster,
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
            targets = [each async for each in _targets(cluster, agent, query, status.start_time)]
            requests[metric.name] = PodsRequest(metric.name, identity, query, tuple(targets))
    for name, request in requests.items():
        status = asked(status, name, request.shown)
    metrics = due(status, found.spec.metrics, now)
    readings = await measuring.readings(agent.key, [requests[each.name] for each in metrics])
    for metric in metrics:
        if metric.name in readings:
            status = recorded(status, metric, readings[metric.name], arguments, now)
    # An answer that is late is looked for again.
    return status, max(SOON, wait(status, now))


async def _targets(
    cluster: Cluster, agent: AgentRuntime, query: AgentQuery, since: str
) -> AsyncIterator[PodTarget]:
    """Yield the pods that count what is measured."""
    namespace, name = agent.key
    for instance, port in ports_of(query.measure, name).items():
        for pod in (await cluster.find(POD, namespace, instance))[:MOST_PODS]:
            metadata, address = pod["metadata"], (pod.get("status") or {}).get("podIP")
            if address and not metadata.get("deletionTimestamp"):
                created = metadata.get("creationTimestamp") or ""
                yield PodTarget(
                    uid=metadata.get("uid", ""),
                    name=metadata["name"],
                    address=address,
                    port=port,
                    is_new=elapsed(since, created or since) > 0,
                )


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


async def _template(
    cluster: Cluster, agent: AgentRuntime, step: Analysis
) -> RolloutAnalysis | AnalysisProgress:
    document = await cluster.get(ROLLOUT_ANALYSIS, (agent.key[0], step.template_name))
    if document is None:
        others = [
            each["metadata"]["name"] for each in await cluster.find(ROLLOUT_ANALYSIS, agent.key[0])
        ]
        message = (
            f"the step waits for the RolloutAnalysis {step.template_name}, which is not in the"
            f" namespace {agent.key[0]} ({', '.join(sorted(others)[:10]) or 'none is'}): apply it"
        )
        return AnalysisProgress(obstacle="AnalysisNotFound", message=message)
    resource = parsed(document)
    if isinstance(resource, RolloutAnalysis):
        return resource
    message = f"the RolloutAnalysis {step.template_name} is invalid: {resource}"
    return AnalysisProgress(obstacle="AnalysisInvalid", message=message)


def _wrong_arguments(
    step: Analysis, found: RolloutAnalysis, arguments: Mapping[str, str]
) -> AnalysisProgress | None:
    declared = [each.name for each in found.spec.args]
    subject = f"the RolloutAnalysis {step.template_name}"
    if unknown := [each.name for each in step.args if each.name not in declared]:
        message = f"{subject} has no argument {listed(unknown)}, only {listed(declared) or 'none'}"
        return AnalysisProgress(obstacle="AnalysisArgInvalid", message=message)
    if missing := [name for name in declared if name not in arguments]:
        message = (
            f"{subject} needs a value of {listed(missing)}: add it to args of the step, or of the"
            " RolloutAnalysis"
        )
        return AnalysisProgress(obstacle="AnalysisArgMissing", message=message)
    return None


def _arguments(
    agent: AgentRuntime, before: RolloutStatus, step: Analysis, found: RolloutAnalysis
) -> dict[str, str]:
    """Return the values of the arguments; those of the step have precedence."""
    return {
        **{each.name: each.value for each in found.spec.args if each.value is not None},
        **{each.name: each.value for each in step.args},
        "namespace": agent.key[0],
        "agent": agent.key[1],
        "stable-version": before.stable_version or "",
        "candidate-version": before.candidate_version or "",
        "step": str((before.current_step or 0) + 1),
    }
