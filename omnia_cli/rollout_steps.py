"""Findings about the steps of rollouts: an order that is allowed, and seldom meant."""

from collections.abc import Iterator, Mapping, Sequence

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.names import API_VERSION, Kind
from omnia_operator import api
from omnia_operator.api import AgentRuntime, RolloutAnalysis


def check_rollout_steps(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield weights that fall, and measurements of a candidate that has no sessions."""
    resources = [(document, _valid(document)) for document in documents]
    analyses = {
        document.key: resource
        for document, resource in resources
        if isinstance(resource, RolloutAnalysis)
    }
    for document, resource in resources:
        if isinstance(resource, AgentRuntime):
            yield from _steps(document, resource, analyses)


def _steps(
    document: Document, agent: AgentRuntime, analyses: Mapping[tuple[str, str], RolloutAnalysis]
) -> Iterator[Finding]:
    weight = 0
    for index, step in enumerate(agent.spec.rollout.steps if agent.spec.rollout else ()):
        place: ValuePath = ("spec", "rollout", "steps", index)
        if step.set_weight is not None:
            if step.set_weight < weight:
                message = (
                    f"the weight falls from {weight} to {step.set_weight}: expected weights that"
                    " grow from step to step; change their order, unless fewer new sessions are"
                    " to get the candidate"
                )
                yield about(document, (*place, "setWeight"), message, "warning")
            weight = step.set_weight
        elif step.analysis is not None and weight == 0:
            found = analyses.get((document.namespace, step.analysis.template_name))
            if found is not None and _counts_turns(found):
                message = (
                    f'RolloutAnalysis "{step.analysis.template_name}" measures turns of the'
                    " candidate, which has no sessions at this step: put a step with setWeight"
                    " before it, or it has no data"
                )
                yield about(document, (*place, "analysis"), message, "warning")


def _counts_turns(analysis: RolloutAnalysis) -> bool:
    return any(metric.provider.agent is not None for metric in analysis.spec.metrics)


def _valid(document: Document) -> api.AnyResource | None:
    """Return a valid agent or analysis; None for anything else."""
    kinds = (Kind.AGENT_RUNTIME, Kind.ROLLOUT_ANALYSIS)
    if document.kind not in kinds or document.value.get("apiVersion") != API_VERSION:
        return None
    try:
        return api.parse(document.value)
    except api.InvalidResource:
        return None
