"""Whose object is it."""

from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.cluster.port import ClusterError


def owned(live: JsonObject, uid: str) -> bool:
    """Whether an object belongs to the agent with that identity."""
    return any(each.get("uid") == uid for each in live["metadata"].get("ownerReferences") or ())


def owner_of(manifest: Manifest) -> JsonObject:
    """Return the owner that a manifest names."""
    owner: JsonObject = manifest.body["metadata"]["ownerReferences"][0]
    return owner


def taken(manifest: Manifest, live: JsonObject) -> ClusterError:
    """Say that an object of the wanted name belongs to somebody else."""
    name, agent = f'{manifest.kind} "{manifest.key[1]}"', owner_of(manifest)["name"]
    owners = live["metadata"].get("ownerReferences") or ()
    namesakes = (Kind.AGENT_RUNTIME.value, agent)
    if any((each.get("kind"), each.get("name")) == namesakes for each in owners):
        message = f"{name} of an earlier agent with the same name is still being deleted"
        return ClusterError(Code.UNAVAILABLE, message, transient=True)
    message = (
        f"{name} is needed by this agent, exists already and belongs to somebody else: rename the"
        " agent, or delete that object"
    )
    return ClusterError(Code.FAILED_PRECONDITION, message, transient=False)
