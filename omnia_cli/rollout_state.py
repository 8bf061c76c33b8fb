"""The rollout of an agent in a cluster: its status as text, and requests for it."""

import time
import uuid
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from omnia_cli.cluster import annotate_object, read_object
from omnia_operator import labels
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.api.rollout import RolloutResult, RolloutStatus
from omnia_operator.rollout.machine import RolloutRequest, Verb
from omnia_operator.rollout.requests import annotation

POLL_SECONDS = 1.0
KIND = "agentruntimes"


class RolloutExit(IntEnum):
    """The exit code of `status`."""

    DONE = 0
    ROLLED_BACK = 1
    OPEN = 3


def show(agent: str, namespace: str, *, watch: bool, seconds: float) -> RolloutExit:
    """Print the status; with `watch` each change of it, until the rollout or the time ends.

    Raises:
        KubectlFailed: the cluster cannot be asked.
    """
    end = time.monotonic() + seconds
    shown = ""
    while True:
        found = rollout_of(read_object(KIND, agent, namespace))
        if (text := "\n".join(lines(found))) != shown:
            print(text)
            shown = text
        outcome = outcome_of(found)
        if not watch or outcome is not RolloutExit.OPEN or time.monotonic() >= end:
            return outcome
        time.sleep(POLL_SECONDS)


def ask(agent: str, namespace: str, verb: Verb, reason: str = "") -> None:
    """Ask the operator for something, as an annotation of the agent.

    Raises:
        KubectlFailed: the agent cannot be annotated.
    """
    request = RolloutRequest(verb, str(uuid.uuid4()), " ".join(reason.split()))
    annotate_object(KIND, agent, namespace, labels.ROLLOUT_REQUEST, annotation(request))
    print(f"asked; omnia rollout status {agent} -n {namespace} shows what becomes of it")


def rollout_of(document: dict[str, Any]) -> RolloutStatus:
    """Return the status of the rollout of an agent; an empty one without a rollout."""
    found = AgentRuntimeStatus.model_validate(document.get("status") or {}, strict=False)
    return found.rollout or RolloutStatus()


def outcome_of(rollout: RolloutStatus) -> RolloutExit:
    """Return the exit code for a rollout."""
    if rollout.active:
        return RolloutExit.OPEN
    last = rollout.last
    rolled_back = last is not None and last.result is RolloutResult.ROLLED_BACK
    return RolloutExit.ROLLED_BACK if rolled_back else RolloutExit.DONE


def lines(rollout: RolloutStatus) -> Iterator[str]:
    """Yield what is known about a rollout."""
    step = f", step {rollout.step}" if rollout.active and rollout.step else ""
    yield f"{rollout.phase.value}{step}"
    if rollout.active:
        yield f"  stable     {rollout.stable_version or '-'}"
        yield f"  candidate  {rollout.candidate_version or '-'}, {rollout.current_weight or 0} %"
    if rollout.message:
        yield f"  {rollout.message}"
    if rollout.last is not None and not rollout.active:
        last = rollout.last
        why = f": {last.reason}" if last.reason else ""
        yield f"  last       {last.candidate_version or '-'} {last.result.value}{why}, {last.time}"
