"""Writes the status if it has changed, and the Events about the changes."""

import hashlib
from collections.abc import Iterable

import structlog

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.api.meta import Status
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import ObjectKind
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import rendered
from omnia_operator.status import Announcement, announcements

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
    """Write the second of two statuses if they differ, with Events for its changes and `news`."""
    before, after = statuses
    if rendered(before) == rendered(after):
        return
    metadata = document["metadata"]
    await cluster.put_status(kind, (metadata["namespace"], metadata["name"]), rendered(after))
    changes = announcements(before.conditions, after.conditions, good=good, bad=bad)
    await announce(cluster, kind, document, (*changes, *news), now)


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
