"""Manifests: the desired objects of an agent."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import SECRET, ObjectKind, kind_of
from omnia_operator.resolve import Key

_NEEDED = ("name", "namespace", "labels", "ownerReferences")


@dataclass(frozen=True)
class Manifest:
    """A desired object, with a hash of its content."""

    kind: ObjectKind
    key: Key
    body: JsonObject

    @classmethod
    def of(cls, body: JsonObject) -> "Manifest":
        """Check a rendered object and add its hash as an annotation.

        Raises:
            ValueError: the object lacks metadata that every object of an agent needs.
        """
        kind = kind_of(body["apiVersion"], body["kind"])
        metadata = body["metadata"]
        absent = [field for field in _NEEDED if not metadata.get(field)]
        if absent:
            raise ValueError(f"{kind} lacks metadata.{', metadata.'.join(absent)}")
        text = json.dumps(redacted(body), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        annotations = {**(metadata.get("annotations") or {}), labels.MANIFEST_HASH: digest}
        body = {**body, "metadata": {**metadata, "annotations": annotations}}
        return cls(kind, (metadata["namespace"], metadata["name"]), body)

    def renamed(self, name: str) -> "Manifest":
        """Return the same object with another name."""
        metadata = self.body["metadata"]
        annotations = {
            key: value
            for key, value in metadata["annotations"].items()
            if key != labels.MANIFEST_HASH
        }
        kept = {key: value for key, value in metadata.items() if key != "annotations"}
        more = {"annotations": annotations} if annotations else {}
        return Manifest.of({**self.body, "metadata": {**kept, "name": name, **more}})


@dataclass(frozen=True)
class Addition:
    """What somebody else added to an object."""

    path: str
    """For people: with the names of list entries."""
    pointer: str
    """As a JSON pointer."""
    entry: object = None
    """The entry of a list; None for a field of a map. It tells whether the place is still right."""


def removal(additions: Iterable[Addition]) -> list[JsonObject]:
    """Return the JSON Patch that removes additions, unless other entries have their places now."""
    operations: list[JsonObject] = []
    # From the end of a list, so that the places of the others stay right.
    for addition in sorted(additions, key=lambda each: _place(each.pointer), reverse=True):
        if addition.entry is not None:
            test = {"op": "test", "path": addition.pointer, "value": addition.entry}
            operations.append(test)
        operations.append({"op": "remove", "path": addition.pointer})
    return operations


def _place(pointer: str) -> list[tuple[int, str]]:
    parts = pointer.split("/")
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


# No value of a Secret begins so: they are Base64.
_DIGEST = "sha256:"


def redacted(body: JsonObject) -> JsonObject:
    """Return a Secret with hashes in place of its values, and any other object as it is.

    A Secret that is redacted already stays as it is: one from a listing and one from a watch must
    have the same hashes, else pods are replaced for nothing.
    """
    if body.get("kind") != SECRET.name:
        return body
    return {**body, "data": {key: digest(value) for key, value in (body.get("data") or {}).items()}}


def digest(value: str) -> str:
    """Return a hash of a Secret's value, which shows changes and not the value; a hash stays."""
    if value.startswith(_DIGEST):
        return value
    return _DIGEST + hashlib.sha256(value.encode()).hexdigest()[:16]


def owned(live: JsonObject, uid: str) -> bool:
    """Whether the owner of an object has the uid."""
    owners = live["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == uid for owner in owners)


def belongs(live: JsonObject, owner: JsonObject) -> bool:
    """Whether an object is an agent's: it owns it, or may adopt it.

    An object with the labels of the agent and without an owner is adopted: `--cascade=orphan` or a
    restored backup left it.

    Args:
        live: the object.
        owner: an owner reference to the agent.
    """
    metadata = live["metadata"]
    if owned(live, owner["uid"]):
        return True
    return not metadata.get("ownerReferences") and labels.marked(
        metadata.get("labels") or {}, owner["name"]
    )


def owner_of(manifest: Manifest) -> JsonObject:
    """Return the owner reference of a manifest."""
    owner: JsonObject = manifest.body["metadata"]["ownerReferences"][0]
    return owner
