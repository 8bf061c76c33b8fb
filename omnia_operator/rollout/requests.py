"""What people ask of a rollout: an annotation of the agent, `<verb> <id> [reason]`."""

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.rollout.machine import RolloutRequest, Verb

MAX_TEXT = 512


def request_of(document: JsonObject) -> RolloutRequest | None:
    """Return the request of an agent; None without one, and for one that is not understood."""
    found = (document["metadata"].get("annotations") or {}).get(labels.ROLLOUT_REQUEST)
    if not isinstance(found, str):
        return None
    verb, _, rest = found[:MAX_TEXT].strip().partition(" ")
    identifier, _, reason = rest.strip().partition(" ")
    if verb not in tuple(Verb) or not identifier:
        return None
    return RolloutRequest(Verb(verb), identifier, reason.strip())


def annotation(request: RolloutRequest) -> str:
    """Return the annotation of a request."""
    return f"{request.verb.value} {request.id} {request.reason}".strip()
