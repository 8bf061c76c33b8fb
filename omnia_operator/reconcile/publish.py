"""One status patch at the end, only when something changed, and the Events that it stands for."""

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

_LONGEST = 1024  # the API server refuses a longer message of an Event

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
    """Write the second of two statuses, unless it is the first, and announce what is new: what
    its conditions say, and other `news`.
    """
    before, after = statuses
    if rendered(before) == rendered(after):
        return
    metadata = document["metadata"]
    await cluster.put_status(kind, (metadata["namespace"], metadata["name"]), rendered(after))
    changes = announcements(before.conditions, after.conditions, good=good, bad=bad)
    for each in (*changes, *news):
        try:
            await cluster.emit(_event(kind, document, each, now))
        except ClusterError as error:  # a missing Event is no reason to do the work again
            _log.info("event not written", error=error.message, reason=each.reason)


def _event(kind: ObjectKind, document: JsonObject, said: Announcement, now: str) -> JsonObject:
    metadata = document["metadata"]
    # The same announcement at the same time has the same name, and is refused as a repetition.
    text = f"{metadata.get('uid')}{said.reason}{said.message}{now}"
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
        "type": "Warning" if said.warning else "Normal",
        "reason": said.reason,
        "message": said.message[:_LONGEST],
        "source": {"component": labels.OPERATOR},
        "reportingComponent": labels.OPERATOR,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
