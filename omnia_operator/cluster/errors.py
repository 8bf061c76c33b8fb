"""Failures of requests to the API server."""

from omnia_core.errors import Code, OmniaError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.cluster.kinds import ObjectKind


class ClusterError(OmniaError):
    """A request to the API server failed.

    Attributes:
        transient: whether the same request may succeed later.
    """

    def __init__(self, code: Code, message: str, *, transient: bool) -> None:
        super().__init__(code, message)
        self.transient = transient


class Forbidden(ClusterError):
    """The API server refused a request: the operator lacks the right, or a webhook denies it."""


class KindMissing(ClusterError):
    """The cluster lacks the kind: its CustomResourceDefinition is not installed."""

    def __init__(self, kind: ObjectKind) -> None:
        message = f"the cluster has no kind {kind} of {kind.api_version}"
        super().__init__(Code.UNIMPLEMENTED, message, transient=False)


class NotOwned(ClusterError):
    """An object with the name of one of the agent's objects belongs to somebody else."""


def name_taken(kind: ObjectKind, name: str, owner: JsonObject, live: JsonObject) -> NotOwned:
    """Return the error that an object with a name of the agent's belongs to somebody else.

    Args:
        kind: kind of the object.
        name: name of the object.
        owner: an owner reference to the agent.
        live: the object.
    """
    namesake = (Kind.AGENT_RUNTIME.value, owner["name"])
    owners = live["metadata"].get("ownerReferences") or ()
    if any((other.get("kind"), other.get("name")) == namesake for other in owners):
        message = f'{kind} "{name}" of an earlier agent with the same name is still being deleted'
        return NotOwned(Code.UNAVAILABLE, message, transient=True)
    message = (
        f'{kind} "{name}" already exists and does not belong to this agent: rename the agent, or'
        f" give the other {kind} another name if it is yours"
    )
    return NotOwned(Code.FAILED_PRECONDITION, message, transient=False)
