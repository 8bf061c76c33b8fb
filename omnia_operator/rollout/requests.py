"""What people ask of a rollout: an annotation of the agent, `<verb> <id> [reason]`."""

from dataclasses import dataclass
from enum import StrEnum

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels

MAX_TEXT = 512


class Verb(StrEnum):
    """What a person asks of a rollout."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"


@dataclass(frozen=True)
class RolloutRequest:
    """A request of a person; its id tells whether it was dealt with."""

    verb: Verb
    id: str
    reason: str = ""


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
