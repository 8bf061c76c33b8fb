"""Rollouts in words, for statuses and Events."""

from collections.abc import Iterator

from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.rollout import AnalysisStatus, HeldFields, RolloutFields, RolloutStatus
from omnia_operator.rollout.identity import unknown_providers
from omnia_operator.rollout.requests import Verb


def differences(before: RolloutFields, after: RolloutFields) -> Iterator[str]:
    """Yield what one side has instead of what the other has, in the words of the spec."""
    if before.prompt_pack_version != after.prompt_pack_version:
        yield f"promptPackRef.version {after.prompt_pack_version}"
    for old, new in zip(before.providers, after.providers, strict=False):
        if old != new:
            yield f"providers {new.name} {new.provider_ref.name}"
    if before.tool_registry_ref != after.tool_registry_ref:
        registry = after.tool_registry_ref
        yield f"toolRegistryRef {registry.name if registry else 'none'}"


SAME_CANDIDATE = (
    "rollout.candidate has what the agent has: change it to roll something out, or remove it"
)

_EXPECTED = {
    Verb.PROMOTE: "a paused one; omnia rollout promote --full skips the steps of one in progress",
    Verb.PROMOTE_FULL: "one in progress",
    Verb.ABORT: "one in progress that is not ending yet",
    Verb.RETRY: "a paused one, or a candidate that was rolled back",
    Verb.PAUSE: "one in progress that nobody has paused",
}


def refused_message(verb: Verb, status: RolloutStatus) -> str:
    """Return why a request of a person does not fit, and when it would."""
    asked = verb.value.replace("-full", " --full")
    return (
        f"the request {asked} does not fit a rollout that is {status.phase.value}: expected"
        f" {_EXPECTED[verb]}"
    )


def wrong_candidate(spec: AgentRuntimeSpec) -> str:
    """Return what is wrong with the candidate; "" if nothing is."""
    unknown = unknown_providers(spec)
    if not unknown:
        return ""
    known = ", ".join(provider.name for provider in spec.providers) or "none"
    return (
        f"rollout.candidate.providerRefs names {', '.join(unknown)}, and the agent has the"
        f" providers {known}: a candidate replaces providers by their names"
    )


def described(status: RolloutStatus) -> str:
    """Return which rollout it is."""
    if status.stable is None or status.candidate is None:
        return "the rollout"
    return f"the rollout to {', '.join(differences(status.stable, status.candidate))}"


def held_message(held: HeldFields) -> str:
    """Return what to do where the spec has the old value again after a promotion."""
    changes = ", ".join(differences(held.replaced, held.promoted))
    return (
        f"{changes} was promoted, and the spec has the old value again: set it there (in Git, if"
        " that is where the spec comes from) and remove rollout.candidate; removing only the"
        " candidate goes back to what the spec says"
    )


def measuring_message(subject: str, analysis: AnalysisStatus) -> str:
    """Return what an analysis has measured until now."""
    done = (
        f"{each.name} {each.successful} successful"
        + (f", {each.failed} failed" if each.failed else "")
        + (f", {each.message}" if each.message else "")
        for each in analysis.metrics
    )
    return f"{subject} measures: {'; '.join(done)}"
