"""Who holds the Lease, and whether it may be taken: without I/O and without a clock.

Clocks of different machines differ, so the times inside a Lease are for people. A holder is
considered gone when its Lease has not changed for as long as it said, by the clock of whoever
watches it.
"""

from dataclasses import dataclass
from enum import Enum, auto

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import LEASE

LEASE_SECONDS = 15
RENEW_SECONDS = 5.0
# A holder that cannot renew stops before anyone else may begin.
DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 2.0


class Move(Enum):
    """What to do about the Lease now."""

    TAKE = auto()
    RENEW = auto()
    WAIT = auto()


@dataclass(frozen=True)
class Sighting:
    """A Lease, and when it was first seen as it is."""

    holder: str
    version: str
    seconds: int
    since: float

    @classmethod
    def of(cls, lease: JsonObject, before: "Sighting | None", now: float) -> "Sighting":
        """Note a Lease; one that has not changed keeps its time."""
        spec, version = lease.get("spec") or {}, lease["metadata"].get("resourceVersion", "")
        unchanged = before is not None and before.version == version
        since = before.since if before is not None and unchanged else now
        seconds = spec.get("leaseDurationSeconds") or LEASE_SECONDS
        return cls(spec.get("holderIdentity") or "", version, seconds, since)


def move(sighting: Sighting | None, me: str, now: float) -> Move:
    """Decide about a Lease; None is one that does not exist yet."""
    if sighting is None or not sighting.holder:
        return Move.TAKE
    if sighting.holder == me:
        return Move.RENEW
    return Move.TAKE if now >= sighting.since + sighting.seconds else Move.WAIT


def written(
    lease: JsonObject | None, key: tuple[str, str], holder: str, time: str, *, taken: bool
) -> JsonObject:
    """Return the Lease as the holder writes it; an empty holder gives it up."""
    old = (lease or {}).get("spec") or {}
    metadata = (lease or {}).get("metadata") or {"namespace": key[0], "name": key[1]}
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.name,
        "metadata": {name: each for name, each in metadata.items() if name != "managedFields"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS if holder else 1,
            "acquireTime": time if taken else old.get("acquireTime", time),
            "renewTime": time,
            "leaseTransitions": old.get("leaseTransitions", 0) + int(taken),
        },
    }
