"""Stores what the watches deliver, and queues the resources that depend on it."""

from collections.abc import Iterable

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import AGENT_RUNTIME, CUSTOM, OWNED, POD, ObjectKind
from omnia_operator.cluster.store import Store, is_ours
from omnia_operator.references import ObjectReference, groups_of, reference_to, references_of
from omnia_operator.scheduling.dependents import Dependents
from omnia_operator.scheduling.queue import WorkQueue, WorkQueues


class EventIntake:
    """Receives the events and listings of every watched kind."""

    def __init__(self, store: Store, queue: WorkQueue | WorkQueues) -> None:
        self._store = store
        self._queue = queue
        self._dependents = Dependents()

    def seen(self, kind: ObjectKind, document: JsonObject) -> None:
        """Handle an object that was added or changed."""
        if self._store.put(kind, document):
            self._changed(kind, document)

    def gone(self, kind: ObjectKind, document: JsonObject) -> None:
        """Handle the last state of a deleted object."""
        if self._store.remove(kind, reference_to(kind, document).key):
            self._deleted(kind, document)

    def listed(
        self, kind: ObjectKind, listed: Iterable[JsonObject], version: int, namespace: str | None
    ) -> None:
        """Handle a listing: it has what a watch may have missed, deletions above all."""
        changed, gone = self._store.replace(kind, listed, version, namespace)
        for document in changed:
            self._changed(kind, document)
        for document in gone:
            self._deleted(kind, document)

    def wake_all(self, spread: float = 0.0) -> None:
        """Queue every custom resource, evenly over `spread` seconds."""
        found = [ObjectReference(kind, key) for kind in CUSTOM for key in self._store.keys(kind)]
        for index, reference in enumerate(found):
            self._queue.add(reference, delay=spread * index / len(found))

    def _changed(self, kind: ObjectKind, document: JsonObject) -> None:
        reference = reference_to(kind, document)
        # Those that depended on the object before the change may have lost it.
        affected = self._dependents.affected(reference)
        affected |= self._dependents.put(
            reference, references_of(kind, document), groups_of(kind, document)
        )
        affected |= self._dependents.affected(reference)
        if kind in CUSTOM:
            affected.add(reference)
        self._enqueue(affected, kind, document)

    def _deleted(self, kind: ObjectKind, document: JsonObject) -> None:
        reference = reference_to(kind, document)
        affected = self._dependents.affected(reference)
        affected |= self._dependents.put(reference, frozenset(), frozenset())
        self._enqueue(affected - {reference}, kind, document)

    def _enqueue(
        self, affected: Iterable[ObjectReference], kind: ObjectKind, document: JsonObject
    ) -> None:
        for reference in affected:
            self._queue.add(reference)
        owner = _owner(kind, document)
        if owner is not None:
            self._queue.add(owner)


def _owner(kind: ObjectKind, document: JsonObject) -> ObjectReference | None:
    """Return the agent that an object of the operator belongs to."""
    metadata = document["metadata"]
    if kind not in (*OWNED, POD) or not is_ours(metadata):
        return None
    found = metadata["labels"]
    # The objects of a candidate are another instance.
    agent = found.get(labels.AGENT_NAME) or found.get(labels.INSTANCE, "")
    return ObjectReference(AGENT_RUNTIME, (metadata["namespace"], agent))
