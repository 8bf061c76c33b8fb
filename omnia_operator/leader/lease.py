"""The rules of leader election, without I/O and without a clock.

Clocks of machines differ, so the times inside a Lease are for people only. A holder counts as gone
when its Lease has not changed for the duration of the Lease, by the observer's own clock.
"""

from dataclasses import dataclass
from enum import Enum, auto

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.kinds import LEASE

LEASE_SECONDS = 15
RENEW_SECONDS = 5.0
# A holder that cannot renew stops before another operator may start.
DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 2.0


class LeaseAction(Enum):
    """What to do about the Lease now."""

    ACQUIRE = auto()
    RENEW = auto()
    WAIT = auto()


@dataclass(frozen=True)
class LeaseObservation:
    """A Lease, and since when it has not changed."""

    holder: str
    version: str
    seconds: int
    since: float

    @classmethod
    def of(
        cls, lease: JsonObject, before: "LeaseObservation | None", now: float
    ) -> "LeaseObservation":
        """Observe a Lease; an unchanged one keeps its time."""
        spec, version = lease.get("spec") or {}, lease["metadata"].get("resourceVersion", "")
        since = before.since if before is not None and before.version == version else now
        seconds = spec.get("leaseDurationSeconds") or LEASE_SECONDS
        return cls(spec.get("holderIdentity") or "", version, seconds, since)


def next_action(observed: LeaseObservation | None, me: str, now: float) -> LeaseAction:
    """Return what to do about a Lease; None if it does not exist yet."""
    if observed is None or not observed.holder:
        return LeaseAction.ACQUIRE
    if observed.holder == me:
        return LeaseAction.RENEW
    return LeaseAction.ACQUIRE if now >= observed.since + observed.seconds else LeaseAction.WAIT


def lease_body(
    lease: JsonObject | None, key: tuple[str, str], holder: str, time: str, *, acquired: bool
) -> JsonObject:
    """Return the Lease as the holder writes it; an empty holder releases it."""
    old = (lease or {}).get("spec") or {}
    metadata = (lease or {}).get("metadata") or {"namespace": key[0], "name": key[1]}
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.name,
        "metadata": {name: value for name, value in metadata.items() if name != "managedFields"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS if holder else 1,
            "acquireTime": time if acquired else old.get("acquireTime", time),
            "renewTime": time,
            "leaseTransitions": old.get("leaseTransitions", 0) + int(acquired),
        },
    }
