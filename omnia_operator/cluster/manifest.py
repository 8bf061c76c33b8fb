"""An object as it is wanted."""

import hashlib
import json
from dataclasses import dataclass

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import SECRET, ObjectKind, kind_of
from omnia_operator.resolve import Key


@dataclass(frozen=True)
class Manifest:
    """An object that is to be applied, with the hash of what it says."""

    kind: ObjectKind
    key: Key
    body: JsonObject

    @classmethod
    def of(cls, body: JsonObject) -> "Manifest":
        """Check a rendered object and note its hash in it.

        Raises:
            ValueError: the object lacks what every object of an agent has.
        """
        kind = kind_of(body["apiVersion"], body["kind"])
        metadata = body["metadata"]
        absent = [each for each in _NEEDED if not metadata.get(each)]
        if absent:
            raise ValueError(f"{kind} lacks metadata.{', metadata.'.join(absent)}")
        text = json.dumps(redacted(body), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        annotations = {**metadata.get("annotations", {}), labels.MANIFEST_HASH: digest}
        body = {**body, "metadata": {**metadata, "annotations": annotations}}
        return cls(kind, (metadata["namespace"], metadata["name"]), body)


_NEEDED = ("name", "namespace", "labels", "ownerReferences")


def redacted(body: JsonObject) -> JsonObject:
    """Return a Secret with hashes in place of its values, and any other object as it is."""
    if body.get("kind") != SECRET.name:
        return body
    return {**body, "data": {key: digest(value) for key, value in (body.get("data") or {}).items()}}


def digest(value: str) -> str:
    """Return what tells one value of a Secret from another without telling the value."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]
