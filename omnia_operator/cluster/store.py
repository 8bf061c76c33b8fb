"""What is remembered of the cluster, kept as JSON text: a fifth of the memory of the objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import WATCHED, ObjectKind
from omnia_operator.cluster.remembered import remembered
from omnia_operator.resolve import Key


@dataclass(frozen=True, slots=True)
class _Entry:
    version: int
    instance: str | None
    text: bytes


class Store:
    """The last known state of every watched object."""

    def __init__(self) -> None:
        self._entries: dict[ObjectKind, dict[Key, _Entry]] = {kind: {} for kind in WATCHED}
        self._instances: dict[tuple[ObjectKind, Key], set[Key]] = {}

    def put(self, kind: ObjectKind, found: JsonObject) -> bool:
        """Remember an object; return whether something about it is new."""
        metadata = found["metadata"]
        key = metadata["namespace"], metadata["name"]
        version, old = version_of(metadata), self._entries[kind].get(key)
        if old is not None and version < old.version:
            return False
        text = orjson.dumps(remembered(kind, found), option=orjson.OPT_SORT_KEYS)
        self._forget(kind, key)
        instance = (metadata.get("labels") or {}).get(labels.INSTANCE)
        self._entries[kind][key] = _Entry(version, instance, text)
        if instance is not None:
            self._instances.setdefault((kind, (key[0], instance)), set()).add(key)
        return old is None or old.text != text

    def remove(self, kind: ObjectKind, key: Key) -> bool:
        """Forget an object; return whether it was known."""
        return self._forget(kind, key) is not None

    def replace(
        self, kind: ObjectKind, listed: Iterable[JsonObject], version: int, namespace: str | None
    ) -> tuple[list[JsonObject], list[JsonObject]]:
        """Take over a listing of a kind; return what is new or changed, and what is gone."""
        there: set[Key] = set()
        changed: list[JsonObject] = []
        for each in listed:
            there.add((each["metadata"]["namespace"], each["metadata"]["name"]))
            if self.put(kind, each):
                changed.append(each)
        gone = [
            (key, entry)
            for key, entry in self._entries[kind].items()
            if key not in there and namespace in (None, key[0]) and entry.version <= version
        ]
        for key, _ in gone:
            self.remove(kind, key)
        return changed, [_decoded(entry) for _, entry in gone]

    def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        """Return an object."""
        entry = self._entries[kind].get(key)
        return None if entry is None else _decoded(entry)

    def find(
        self, kind: ObjectKind, namespace: str | None, instance: str | None
    ) -> list[JsonObject]:
        """Return the objects of a namespace, or of all; with `instance` those of one agent."""
        entries = self._entries[kind]
        keys: Iterable[Key] = entries
        if instance is not None and namespace is not None:
            keys = self._instances.get((kind, (namespace, instance)), ())
        return [
            _decoded(entries[key])
            for key in sorted(keys)
            if namespace in (None, key[0]) and instance in (None, entries[key].instance)
        ]

    def keys(self, kind: ObjectKind) -> Iterator[Key]:
        """Return the keys of a kind, as they are now; any thread may ask."""
        return iter(tuple(self._entries[kind]))

    def _forget(self, kind: ObjectKind, key: Key) -> _Entry | None:
        old = self._entries[kind].pop(key, None)
        if old is not None and old.instance is not None:
            place = kind, (key[0], old.instance)
            self._instances[place].discard(key)
            if not self._instances[place]:
                del self._instances[place]
        return old


def version_of(metadata: JsonObject) -> int:
    """Return a resource version, which is a number that grows; 0 where there is none."""
    text = str(metadata.get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _decoded(entry: _Entry) -> JsonObject:
    decoded: JsonObject = orjson.loads(entry.text)
    return decoded
