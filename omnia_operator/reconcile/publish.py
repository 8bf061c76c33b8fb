"""Writes the status if it has changed, and the Events about the changes."""

import hashlib
from collections.abc import Iterable

import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator import labels
from omnia_operator.api.meta import Status
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, rendered
from omnia_operator.status import (
    SPEC_ENFORCED,
    Announcement,
    announcements,
    dated,
    spec_enforced,
)

_MAX_MESSAGE = 1024  # the API server refuses a longer message of an Event

_log = structlog.get_logger()


async def publish(
    cluster: Cluster,
    kind: ObjectKind,
    document: JsonObject,
    statuses: tuple[Status, Status],
    *,
    good: str,
    bad: Iterable[str],
    now: str,
    news: Iterable[Announcement] = (),
) -> None:
    """Write the second of two statuses if they differ, with Events for its changes and `news`.

    The condition about fields that are not implemented is added, as it is the same for all kinds.
    """
    before = statuses[0]
    after = _with_enforced(kind, document, statuses, now)
    if rendered(before) == rendered(after):
        return
    metadata = document["metadata"]
    await cluster.put_status(kind, (metadata["namespace"], metadata["name"]), rendered(after))
    _log_transition(kind, document, (before, after), good)
    changes = announcements(
        before.conditions, after.conditions, good=good, bad=(*bad, SPEC_ENFORCED)
    )
    await announce(cluster, kind, document, (*changes, *news), now)


def _log_transition(
    kind: ObjectKind, document: JsonObject, statuses: tuple[Status, Status], good: str
) -> None:
    """Write a line if the phase, or the reason of the condition `good`, is another."""
    (old, _), (new, message) = (_summary(status, good) for status in statuses)
    if old != new:
        metadata, (phase, reason) = document["metadata"], new
        _log.info(
            "phase changed",
            kind=kind.name,
            object=f"{metadata['namespace']}/{metadata['name']}",
            phase=phase,
            reason=reason,
            message=message,
        )


def _summary(status: Status, good: str) -> tuple[tuple[str, str], str]:
    shown = next((condition for condition in status.conditions if condition.type == good), None)
    phase = str(getattr(status, "phase", None) or "")
    return (phase, shown.reason if shown else ""), shown.message if shown else ""


def _with_enforced(
    kind: ObjectKind, document: JsonObject, statuses: tuple[Status, Status], now: str
) -> Status:
    before, after = statuses
    others = tuple(condition for condition in after.conditions if condition.type != SPEC_ENFORCED)
    update = spec_enforced(Kind(kind.name), document)
    made = (
        () if update is None else dated([update], before.conditions, generation_of(document), now)
    )
    return after.model_copy(update={"conditions": (*others, *made)})


async def announce(
    cluster: Cluster,
    kind: ObjectKind,
    document: JsonObject,
    news: Iterable[Announcement],
    now: str,
) -> None:
    """Write Events about a resource."""
    for announcement in news:
        try:
            await cluster.emit(_event(kind, document, announcement, now))
        except ClusterError as error:  # a missing Event does not justify a retry
            _log.info("event not written", error=error.message, reason=announcement.reason)


def _event(
    kind: ObjectKind, document: JsonObject, announcement: Announcement, now: str
) -> JsonObject:
    metadata = document["metadata"]
    # A repeated announcement has the same name, so the API server refuses it.
    text = f"{metadata.get('uid')}{announcement.reason}{announcement.message}{now}"
    suffix = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:230]}.{suffix}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata.get("uid", ""),
        },
        "type": "Warning" if announcement.warning else "Normal",
        "reason": announcement.reason,
        "message": announcement.message[:_MAX_MESSAGE],
        "source": {"component": labels.OPERATOR},
        "reportingComponent": labels.OPERATOR,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
