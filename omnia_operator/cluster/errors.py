"""Failures of requests to the API server."""

from omnia_core.errors import Code, OmniaError
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.manifest import Manifest, owner_of


class ClusterError(OmniaError):
    """A request to the API server failed.

    Attributes:
        transient: whether the same request may succeed later.
    """

    def __init__(self, code: Code, message: str, *, transient: bool) -> None:
        super().__init__(code, message)
        self.transient = transient


class KindMissing(ClusterError):
    """The cluster lacks the kind: its CustomResourceDefinition is not installed."""

    def __init__(self, kind: ObjectKind) -> None:
        message = f"the cluster has no kind {kind} of {kind.api_version}"
        super().__init__(Code.UNIMPLEMENTED, message, transient=False)


def name_taken(manifest: Manifest, live: JsonObject) -> ClusterError:
    """Return the error that an object with the name of the manifest has another owner."""
    name, agent = f'{manifest.kind} "{manifest.key[1]}"', owner_of(manifest)["name"]
    namesake = (Kind.AGENT_RUNTIME.value, agent)
    owners = live["metadata"].get("ownerReferences") or ()
    if any((owner.get("kind"), owner.get("name")) == namesake for owner in owners):
        message = f"{name} of an earlier agent with the same name is still being deleted"
        return ClusterError(Code.UNAVAILABLE, message, transient=True)
    message = (
        f"{name} already exists and does not belong to this agent: rename the agent, or delete that"
        " object"
    )
    return ClusterError(Code.FAILED_PRECONDITION, message, transient=False)
