"""JSON values as Python objects."""

from collections.abc import Callable
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose content has no type here: schemas, payloads, manifests."""


def map_strings(value: Any, change: Callable[[str], Any]) -> Any:
    """Return a JSON value with `change` applied to every string in it; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    return value
