"""Findings about the analyses of rollouts: the RolloutAnalysis of a step, and its arguments."""

from collections.abc import Iterator, Mapping, Sequence

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.names import API_VERSION, Kind
from omnia_core.suggestions import listed
from omnia_operator import api
from omnia_operator.analysis.arguments import ArgumentInvalid
from omnia_operator.api import AgentRuntime, RolloutAnalysis
from omnia_operator.api.rollout import Analysis
from omnia_operator.rollout.arguments import (
    given_arguments,
    missing_arguments,
    unknown_arguments,
)

# An analysis has no interval that is longer.
_LONG_AGO = 10.0**9


def check_analyses(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield what is wrong between the steps of rollouts and the analyses that they name."""
    known: dict[tuple[str, str], RolloutAnalysis] = {}
    agents: list[tuple[Document, AgentRuntime]] = []
    for document in documents:
        resource = _valid(document)
        if isinstance(resource, RolloutAnalysis):
            known[document.key] = resource
        elif isinstance(resource, AgentRuntime):
            agents.append((document, resource))
    for document, agent in agents:
        for index, step in enumerate(agent.spec.rollout.steps if agent.spec.rollout else ()):
            if step.analysis is not None:
                place = ("spec", "rollout", "steps", index, "analysis")
                yield from _step(document, agent, place, step.analysis, known)


def _step(
    document: Document,
    agent: AgentRuntime,
    place: ValuePath,
    step: Analysis,
    known: Mapping[tuple[str, str], RolloutAnalysis],
) -> Iterator[Finding]:
    name = (*place, "templateName")
    found = known.get((document.namespace, step.template_name))
    if found is None:
        there = [each for namespace, each in known if namespace == document.namespace]
        message = (
            f'RolloutAnalysis "{step.template_name}" is not in namespace "{document.namespace}"'
            f" (there: {listed(there) or 'none'}): add it, or the step waits for it"
        )
        yield about(document, name, message, "error")
        return
    subject, declared = (
        f'RolloutAnalysis "{step.template_name}"',
        [each.name for each in found.spec.args],
    )
    unknown = unknown_arguments(step, found.spec)
    for index, argument in unknown.items():
        message = f"{subject} has no argument {argument}, only {listed(declared) or 'none'}"
        yield about(document, (*place, "args", index, "name"), f"{message}: remove it", "error")
    missing = missing_arguments(step, found.spec)
    if missing:
        message = f"{subject} needs a value of {listed(missing)}: add it to args of the step"
        yield about(document, name, message, "error")
    if not unknown and not missing:
        yield from _values(document, place, step, found)
    yield from _evaluations(document, name, agent, found)


def _values(
    document: Document, place: ValuePath, step: Analysis, found: RolloutAnalysis
) -> Iterator[Finding]:
    """Yield values that cannot stand where the analysis has their argument."""
    # A local import: the HTTP client takes longer to load than most manifests to check.
    from omnia_operator.rollout.measuring import request_of  # noqa: PLC0415 - as above

    arguments = {
        **given_arguments(step, found.spec),
        "agent": document.name,
        "namespace": document.namespace,
        "stable-version": "1.0.0",
        "candidate-version": "2.0.0",
        "step": "1",
    }
    for metric in found.spec.metrics:
        if metric.provider.agent is not None:
            continue
        try:
            request_of(metric, arguments, "", _LONG_AGO)
        except ArgumentInvalid as error:
            message = f"the metric {metric.name} cannot be measured: {error}"
            yield about(document, place, message, "error")


def _evaluations(
    document: Document, place: ValuePath, agent: AgentRuntime, found: RolloutAnalysis
) -> Iterator[Finding]:
    """Yield metrics of evaluations that the agent does not run."""
    evals = agent.spec.evals
    if evals is not None and evals.enabled:
        return
    for metric in found.spec.metrics:
        query = metric.provider.agent
        if query is not None and query.eval is not None:
            message = (
                f"the metric {metric.name} measures the evaluation {query.eval}, and this agent"
                " evaluates nothing: set spec.evals.enabled"
            )
            yield about(document, place, message, "warning")


def _valid(document: Document) -> api.AnyResource | None:
    """Return a valid agent or analysis; None for anything else."""
    kinds = (Kind.AGENT_RUNTIME, Kind.ROLLOUT_ANALYSIS)
    if document.kind not in kinds or document.value.get("apiVersion") != API_VERSION:
        return None
    try:
        return api.parse(document.value)
    except api.InvalidResource:
        return None
