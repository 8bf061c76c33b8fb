"""JSON values as Python objects."""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose content has no type here: schemas, payloads, manifests."""

# Integers of 64 bits have 19 or 20 digits.
_LONG_INTEGER = re.compile(rb"\d{19}")


def parse_json(text: bytes) -> Any:
    """Parse JSON. Integers may have any size; orjson alone makes floats of those over 64 bits.

    Raises:
        ValueError: the text is not JSON.
    """
    value = orjson.loads(text)
    if _LONG_INTEGER.search(text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            # More digits or levels than Python reads.
            return value
    return value


def json_bytes(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return a value as JSON; its integers may have any size."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        compact = (",", ":")
        return json.dumps(
            value, ensure_ascii=False, separators=compact, sort_keys=sort_keys
        ).encode()


def map_strings(value: Any, change: Callable[[str], Any]) -> Any:
    """Return a JSON value with `change` applied to every string in it; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    return value
