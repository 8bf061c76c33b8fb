"""What is kept of an object: enough to decide by, and no Secret's value."""

import hashlib
import json

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import CONFIG_MAP, POD, SECRET, SERVICE, ObjectKind
from omnia_operator.cluster.manifest import redacted

_NOISE = frozenset({"managedFields", "resourceVersion", "selfLink"})
DIGEST = "contentDigest"
"""Stands for the data of a ConfigMap that is not ours: it may be large, and is rarely read."""


def remembered(kind: ObjectKind, found: JsonObject) -> JsonObject:
    """Return what is kept of an object."""
    metadata = {key: each for key, each in found["metadata"].items() if key not in _NOISE}
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
    """Whether an object says that the operator made it."""
    return bool((metadata.get("labels") or {}).get(labels.MANAGED_BY) == labels.OPERATOR)


def _only(found: JsonObject, *fields: str) -> JsonObject:
    kept = ("apiVersion", "kind", "metadata", *fields)
    return {key: found[key] for key in kept if key in found}
