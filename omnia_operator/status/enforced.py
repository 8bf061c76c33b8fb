"""The condition about fields that are accepted and not implemented yet."""

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api import dotted, notes
from omnia_operator.status.conditions import ConditionUpdate, false

SPEC_ENFORCED = "SpecEnforced"


def spec_enforced(kind: Kind, document: JsonObject) -> ConditionUpdate | None:
    """Return the condition, which exists only while a resource has such a field."""
    ignored = [f"{dotted(path)}: {today}" for path, today in notes(kind, document, ignored=True)]
    if not ignored:
        return None
    return false(SPEC_ENFORCED, "NotImplemented", " ".join(ignored))
