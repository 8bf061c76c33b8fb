"""The causal chain of an object, decided from what is known of it; pure."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from omnia_cli.explain.remedies import remedy
from omnia_core.jsonvalue import JsonObject

WIDTH = 80
# Conditions that follow from others: they are shown after their causes.
_CONSEQUENCES = ("DeploymentReady", "ServiceReady")
_MOST_LINES = 5
_MOST_CAUSES = 3


class StatedCondition(Struct, frozen=True):
    """A condition of an object."""

    type: str
    status: str
    reason: str = ""
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return self.status == "True"


class Subject(Struct, frozen=True):
    """An object of the cluster, as far as its chain needs it."""

    kind: str
    namespace: str
    name: str
    phase: str = ""
    conditions: tuple[StatedCondition, ...] = ()
    spec: JsonObject = {}

    @property
    def title(self) -> str:
        """`kind/name`, as kubectl names it."""
        return f"{self.kind.lower()}/{self.name}"


class Cause(Struct, frozen=True):
    """One link of a chain: what does not hold, why, and the command that mends it."""

    subject: str
    condition: str
    reason: str
    message: str
    command: str = ""


class Explanation(Struct, frozen=True):
    """The chains of an object. Without causes it is ready, or `note` says what is known."""

    title: str
    state: str
    causes: tuple[Cause, ...] = ()
    effects: tuple[str, ...] = ()
    note: str = ""

    @property
    def ready(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.causes


def subject_of(document: Mapping[str, Any]) -> Subject:
    """Return what a chain needs of an object of the cluster."""
    metadata, status = document.get("metadata") or {}, document.get("status") or {}
    conditions = tuple(
        StatedCondition(
            str(each.get("type")),
            str(each.get("status")),
            str(each.get("reason") or ""),
            str(each.get("message") or ""),
        )
        for each in status.get("conditions") or ()
        if isinstance(each, dict)
    )
    return Subject(
        str(document.get("kind") or ""),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
        str(status.get("phase") or ""),
        conditions,
        document.get("spec") or {},
    )


def in_cluster(subject: Subject, related: Sequence[Subject] = ()) -> Explanation:
    """Explain an object by its conditions and by those of the objects that it refers to."""
    if not subject.conditions:
        return Explanation(
            _title(subject),
            "not looked at yet",
            note="the operator has not written a status: kubectl get pods -A -l"
            " app.kubernetes.io/name=omnia shows whether it runs",
        )
    failed = [
        condition
        for condition in subject.conditions
        if not condition.holds and condition.type != "Ready"
    ]
    causes = [each for each in failed if each.type not in _CONSEQUENCES]
    effects = [each for each in failed if each.type in _CONSEQUENCES]
    ready = next((condition for condition in subject.conditions if condition.type == "Ready"), None)
    if not causes and effects:
        causes, effects = effects, []
    if not causes and ready is not None and not ready.holds:
        causes = [ready]
    links = [link for cause in causes for link in _links(subject, cause, related)]
    if subject.kind == "AgentRuntime":
        links += [link for other in related for link in _of_tools(other)]
    state = f"{subject.phase or 'Ready'}" if not links else subject.phase or "not ready"
    told = tuple(f"{each.type} is {each.status} ({each.reason})" for each in effects)
    if ready is not None and not ready.holds and causes != [ready]:
        told += (f"Ready is {ready.status} ({ready.reason})",)
    return Explanation(_title(subject), state, tuple(links[:_MOST_CAUSES]), told if links else ())


def _title(subject: Subject) -> str:
    where = f" in namespace {subject.namespace}" if subject.namespace else ""
    return f"{subject.title}{where}"


def _links(
    subject: Subject, condition: StatedCondition, related: Sequence[Subject]
) -> Iterator[Cause]:
    """Yield the links from a condition of an agent to the object that is at fault."""
    command = remedy(subject, condition, related)
    yield Cause(
        subject.title,
        condition.type,
        condition.reason,
        condition.message or condition.reason,
        command,
    )


def _of_tools(other: Subject) -> Iterator[Cause]:
    """Yield what a registry says of servers that it does not reach; the agent runs without."""
    for condition in other.conditions if other.kind == "ToolRegistry" else ():
        if condition.type == "ToolsDiscovered" and not condition.holds and condition.message:
            command = remedy(other, condition, ())
            yield Cause(other.title, condition.type, condition.reason, condition.message, command)


def lines(explanation: Explanation) -> Iterator[str]:
    """Yield an explanation as lines of at most 80 columns; only commands may be longer."""
    yield from _wrapped(f"{explanation.title}: {explanation.state}", "")
    if explanation.note:
        yield from _wrapped(explanation.note, "  ")
    for cause in explanation.causes:
        yield ""
        head = f"{cause.condition}: {cause.reason}" if cause.reason else cause.condition
        owner = "" if explanation.title.startswith(cause.subject) else f"{cause.subject} "
        yield from _wrapped(f"{owner}{head}", "  ")
        found = list(_wrapped(f"because {cause.message}", "    "))
        yield from found[:_MOST_LINES]
        if len(found) > _MOST_LINES:
            yield "    …"
        if cause.command:
            yield f"    $ {cause.command}"
    if explanation.effects:
        yield ""
        yield from _wrapped(f"therefore {', '.join(explanation.effects)}", "  ")
    if explanation.ready and not explanation.note:
        yield "  every condition holds"


def _wrapped(text: str, indent: str) -> list[str]:
    flat = " ".join(text.split())
    return textwrap.wrap(
        flat, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
