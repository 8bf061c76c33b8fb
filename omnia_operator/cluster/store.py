"""Stores the watched objects as JSON text, which takes a fifth of the memory of the objects."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from omnia_core.jsonvalue import JsonObject, TooDeep, check_depth
from omnia_operator import labels
from omnia_operator.cluster.kinds import CONFIG_MAP, POD, SECRET, SERVICE, WATCHED, ObjectKind
from omnia_operator.cluster.manifest import redacted
from omnia_operator.resolve import Key

DIGEST = "contentDigest"
"""Field of other owners' ConfigMaps in place of `data`, which may be large and is rarely read."""
TOO_DEEP = "tooDeep"
"""Field of an object whose spec is left out, because it is nested too deeply."""
_UNUSED = frozenset({"managedFields", "resourceVersion", "selfLink"})


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
        """Store an object; return whether it is new or changed."""
        metadata = found["metadata"]
        key = metadata["namespace"], metadata["name"]
        version, old = version_of(metadata), self._entries[kind].get(key)
        if old is not None and version < old.version:
            return False
        text = _encoded(_reduced(kind, found))
        self._forget(kind, key)
        instance = (metadata.get("labels") or {}).get(labels.INSTANCE)
        self._entries[kind][key] = _Entry(version, instance, text)
        if instance is not None:
            self._instances.setdefault((kind, (key[0], instance)), set()).add(key)
        return old is None or old.text != text

    def remove(self, kind: ObjectKind, key: Key) -> bool:
        """Remove an object; return whether it was stored."""
        return self._forget(kind, key) is not None

    def replace(
        self, kind: ObjectKind, listed: Iterable[JsonObject], version: int, namespace: str | None
    ) -> tuple[list[JsonObject], list[JsonObject]]:
        """Store a listing of a kind; return the new or changed objects, and the deleted ones."""
        present: set[Key] = set()
        changed: list[JsonObject] = []
        for document in listed:
            present.add((document["metadata"]["namespace"], document["metadata"]["name"]))
            if self.put(kind, document):
                changed.append(document)
        gone = [
            (key, entry)
            for key, entry in self._entries[kind].items()
            if key not in present and namespace in (None, key[0]) and entry.version <= version
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
        """Return the objects of one or all namespaces; with `instance` those of one agent."""
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
        """Return the present keys of a kind; safe to call from any thread."""
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
    """Return the resource version as an increasing number; 0 without one."""
    text = str(metadata.get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _encoded(found: JsonObject) -> bytes:
    """Return an object as JSON; without its spec where that is nested too deeply.

    The API server accepts more levels than any library reads, and one object must not end the
    listing of all.
    """
    try:
        return orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # More than 254 levels, an integer of more than 64 bits, or half of a surrogate pair.
        pass
    try:
        text = json.dumps(found, sort_keys=True)
        check_depth(text)
    except (TooDeep, RecursionError):
        text = json.dumps({**_only(found, "status"), "spec": {}, TOO_DEEP: True}, sort_keys=True)
    return text.encode()


def _decoded(entry: _Entry) -> JsonObject:
    try:
        decoded: JsonObject = orjson.loads(entry.text)
    except orjson.JSONDecodeError:
        decoded = json.loads(entry.text)
    return decoded


def _reduced(kind: ObjectKind, found: JsonObject) -> JsonObject:
    """Return the part of an object that is used, without values of Secrets."""
    metadata = {key: value for key, value in found["metadata"].items() if key not in _UNUSED}
    kept = {**found, "metadata": metadata, "apiVersion": kind.api_version, "kind": kind.name}
    if kind == SECRET:
        return _only(redacted(kept), "data")
    if kind == POD:
        return _only(kept, "status")
    if kind == CONFIG_MAP and not is_ours(metadata):
        text = json.dumps(found.get("data") or {}, sort_keys=True)
        return {**_only(kept), DIGEST: hashlib.sha256(text.encode()).hexdigest()}
    if kind == SERVICE and not is_ours(metadata):
        return {**_only(kept), "spec": {"ports": (found.get("spec") or {}).get("ports") or []}}
    return kept


def is_ours(metadata: JsonObject) -> bool:
    """Whether an object has the label of the operator."""
    return bool((metadata.get("labels") or {}).get(labels.MANAGED_BY) == labels.OPERATOR)


def _only(found: JsonObject, *fields: str) -> JsonObject:
    kept = ("apiVersion", "kind", "metadata", *fields)
    return {key: found[key] for key in kept if key in found}
