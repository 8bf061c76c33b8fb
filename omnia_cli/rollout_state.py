"""The rollout of an agent, here or in a cluster: its status as text, and requests for it."""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from omnia_cli.cluster import KubectlFailed, annotate_object, names_of, read_object
from omnia_cli.local.control import ControlRequest, asked_of
from omnia_cli.local.report import Serving
from omnia_cli.running import running
from omnia_core.suggestions import listed
from omnia_operator import labels
from omnia_operator.api.agentruntime import AgentRuntimeStatus
from omnia_operator.api.rollout import RolloutFields, RolloutResult, RolloutStatus
from omnia_operator.rollout.messages import differences
from omnia_operator.rollout.requests import RolloutRequest, Verb, annotation

POLL_SECONDS = 1.0
KIND = "agentruntimes"


class RolloutExit(IntEnum):
    """The exit code of `status`."""

    DONE = 0
    ROLLED_BACK = 1
    OPEN = 3


class RolloutPlace(Protocol):
    """Where the rollout of an agent is.

    Raises:
        KubectlFailed: the cluster cannot be asked.
        ControlFailed: the `omnia up` of the agent does not answer.
    """

    def status(self) -> RolloutStatus:
        """Return the status of the rollout; an empty one without a rollout."""

    def ask(self, request: RolloutRequest) -> str:
        """Ask for something; return what to tell the person."""


class RolloutRefused(Exception):
    """The request does not fit the rollout; the message is for people."""


@dataclass(frozen=True)
class ClusterRollout:
    """The rollout of an agent in a namespace of a cluster."""

    agent: str
    namespace: str

    def status(self) -> RolloutStatus:
        """Return the status that the operator wrote."""
        return rollout_of(read_object(KIND, self.agent, self.namespace))

    def ask(self, request: RolloutRequest) -> str:
        """Ask the operator, as an annotation of the agent."""
        text = annotation(request)
        annotate_object(KIND, self.agent, self.namespace, labels.ROLLOUT_REQUEST, text)
        shows = f"omnia rollout status {self.agent} -n {self.namespace}"
        return f"asked; {shows} shows what becomes of it"


@dataclass(frozen=True)
class UpRollout:
    """The rollout of an agent of an `omnia up` on this machine."""

    agent: Serving

    def status(self) -> RolloutStatus:
        """Return the status, which the `omnia up` has in its memory."""
        return asked_of(self.agent.control, self._request()).rollout

    def ask(self, request: RolloutRequest) -> str:
        """Ask the `omnia up`, and wait until it has dealt with it.

        Raises:
            RolloutRefused: the request does not fit.
        """
        asked = self._request(verb=request.verb, id=request.id, reason=request.reason)
        answer = asked_of(self.agent.control, asked)
        if answer.refused:
            raise RolloutRefused(answer.refused)
        return "\n".join(lines(answer.rollout))

    def _request(self, **more: Any) -> ControlRequest:
        return ControlRequest(self.agent.namespace, self.agent.name, **more)


def place_of(agent: str, namespace: str | None, environ: Mapping[str, str]) -> RolloutPlace:
    """Return where the rollout of an agent is: with a namespace, in a cluster.

    Without one it is that of the agent that runs here, and else of the namespace `default`.
    """
    if namespace is None:
        for found in running(environ):
            if found.name == agent and found.control:
                return UpRollout(found)
    return ClusterRollout(agent, namespace or "default")


def nothing_here(agent: str, namespace: str | None, environ: Mapping[str, str]) -> str:
    """Return that an agent does not run here, for the message that no cluster has it either."""
    if namespace is not None:
        return ""
    names = sorted({found.name for found in running(environ)})
    return f"no agent {agent} runs here (there: {listed(names) or 'none'}), and "


def agents_there(namespace: str) -> str:
    """Return which agents a namespace has, for the message that it has not this one.

    "" if kubectl may not list them.
    """
    try:
        names = names_of(KIND, namespace)
    except KubectlFailed:
        return ""
    return f'; the agents of the namespace "{namespace}": {listed(names) or "none"}'


def show(place: RolloutPlace, *, watch: bool, seconds: float) -> RolloutExit:
    """Print the status; with `watch` each change of it, until the rollout or the time ends."""
    end = time.monotonic() + seconds
    shown = ""
    while True:
        found = place.status()
        if (text := "\n".join(lines(found))) != shown:
            print(text)
            shown = text
        outcome = outcome_of(found)
        if not watch or outcome is not RolloutExit.OPEN or time.monotonic() >= end:
            return outcome
        time.sleep(POLL_SECONDS)


def ask(place: RolloutPlace, verb: Verb, reason: str = "") -> None:
    """Ask for something, and print what becomes of it.

    Raises:
        RolloutRefused: the request does not fit the rollout.
    """
    print(place.ask(RolloutRequest(verb, str(uuid.uuid4()), " ".join(reason.split()))))


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
        stable, candidate = rollout.stable or RolloutFields(), rollout.candidate or RolloutFields()
        weight = f"{rollout.current_weight or 0} %"
        yield f"  stable     {_side(rollout.stable_version, candidate, stable)}"
        yield f"  candidate  {_side(rollout.candidate_version, stable, candidate)}, {weight}"
    if rollout.message:
        yield f"  {rollout.message}"
    if rollout.last is not None and not rollout.active:
        last = rollout.last
        why = f": {last.reason}" if last.reason else ""
        version = f"{last.candidate_version} " if last.candidate_version else ""
        yield f"  last       {version}{last.result.value}{why}, {last.time}"


def _side(version: str | None, other: RolloutFields, own: RolloutFields) -> str:
    """Return what one side has instead of the other: its version, and else what differs."""
    different = [text for text in differences(other, own) if not text.startswith("promptPackRef")]
    return ", ".join([*([version] if version else []), *different]) or "-"
