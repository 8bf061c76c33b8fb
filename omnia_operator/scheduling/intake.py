"""What is seen of the cluster is remembered, and wakes those that it is about."""

from collections.abc import Iterable

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CUSTOM,
    OWNED,
    POD,
    SECRET,
    SERVICE,
    ObjectKind,
)
from omnia_operator.cluster.remembered import is_ours
from omnia_operator.cluster.store import Store
from omnia_operator.resolve import Key
from omnia_operator.scheduling.dependents import Dependents
from omnia_operator.scheduling.queue import Item, WorkQueue
from omnia_operator.scheduling.queues import WorkQueues
from omnia_operator.scheduling.references import Node, node_of, references, shared_names


class EventIntake:
    """Takes every event of every watch."""

    def __init__(self, store: Store, queue: WorkQueue | WorkQueues) -> None:
        self._store = store
        self._queue = queue
        self._dependents = Dependents()

    def seen(self, kind: ObjectKind, document: JsonObject) -> None:
        """Take an object as it is now."""
        if self._store.put(kind, document):
            self._wake(kind, document)

    def gone(self, kind: ObjectKind, document: JsonObject) -> None:
        """Take the last state of an object that was deleted."""
        if self._store.remove(kind, node_of(kind, document)[1:]):
            self._forget(kind, document)

    def listed(
        self, kind: ObjectKind, listed: Iterable[JsonObject], version: int, namespace: str | None
    ) -> None:
        """Take a listing: it tells what watches may have missed, most of all deletions."""
        changed, gone = self._store.replace(kind, listed, version, namespace)
        for document in changed:
            self._wake(kind, document)
        for document in gone:
            self._forget(kind, document)

    def wake_all(self, spread: float = 0.0) -> None:
        """Look at every resource again, within `spread` seconds."""
        items = [Item(kind, key) for kind in CUSTOM for key in self._store.keys(kind)]
        for index, item in enumerate(items):
            self._queue.add(item, delay=spread * index / len(items))

    def _wake(self, kind: ObjectKind, document: JsonObject) -> None:
        node = node_of(kind, document)
        affected: set[Node] = set()
        if kind in CUSTOM:
            affected.add(node)
        if kind in (*CUSTOM, SERVICE, SECRET):
            affected |= self._dependents.affected([node])
            affected |= self._dependents.put(
                node, references(node, document), shared_names(node, document)
            )
        affected |= self._dependents.affected([node])
        self._enqueue(affected, kind, document)

    def _forget(self, kind: ObjectKind, document: JsonObject) -> None:
        node = node_of(kind, document)
        affected = self._dependents.affected([node])
        affected |= self._dependents.put(node, frozenset(), frozenset())
        self._enqueue(affected - {node}, kind, document)

    def _enqueue(self, affected: Iterable[Node], kind: ObjectKind, document: JsonObject) -> None:
        for each in affected:
            self._queue.add(Item(each.kind, (each.namespace, each.name)))
        owner = _owner(kind, document)
        if owner is not None:
            self._queue.add(Item(AGENT_RUNTIME, owner))


def _owner(kind: ObjectKind, document: JsonObject) -> Key | None:
    """Return the agent that an object is part of."""
    metadata = document["metadata"]
    if kind not in (*OWNED, POD) or not is_ours(metadata):
        return None
    return metadata["namespace"], metadata["labels"].get(labels.INSTANCE, "")
