"""JSON values as Python objects."""

import json
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any, TypeAlias

import orjson

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose content has no type here: schemas, payloads, manifests."""

MAX_DEPTH = 200
"""Levels of objects and lists in a document or message.

orjson writes at most 254 levels and JSON Schemas compile up to 255, so the rest is for the messages
in which a value travels.
"""

# Integers of 64 bits have 19 or 20 digits.
_LONG_INTEGER = re.compile(rb"\d{19}")
# To find a few brackets in a long text is 20 times as fast as to count them.
_FEW = 16
# 1 for a bracket that opens, -1 for one that closes, as signed bytes.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_REST = bytes(set(range(256)) - set(b'[{]}"'))


class TooDeep(ValueError):
    """JSON or YAML with more than `MAX_DEPTH` levels. The message ends a sentence."""

    def __init__(self) -> None:
        super().__init__(f"nested deeper than {MAX_DEPTH} levels: flatten it")


def check_depth(text: bytes | str) -> None:
    """Check the depth of JSON text before a parser reads it. Other errors are the parser's.

    Raises:
        TooDeep: the text has more than `MAX_DEPTH` levels.
    """
    if len(text) <= MAX_DEPTH or _has_few_brackets(text):
        return
    if isinstance(text, str):
        text = text.encode("utf-8", "replace")
    if b"\\" in text:
        # After this every quote begins or ends a string.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(_STEPS, _REST).replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    if max(accumulate(memoryview(brackets).cast("b")), default=0) > MAX_DEPTH:
        raise TooDeep


def _has_few_brackets(text: Any) -> bool:
    """Whether a text (str or bytes) has too few brackets to be nested too deeply."""
    openings: Any = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    found = 0
    for opening in openings:
        place = text.find(opening)
        while place >= 0:
            found += 1
            if found == _FEW:
                return bool(sum(map(text.count, openings)) <= MAX_DEPTH)
            place = text.find(opening, place + 1)
    return True


def parse_json(text: bytes | str) -> Any:
    """Parse JSON. Integers may have any size; orjson alone makes floats of those over 64 bits.

    Raises:
        TooDeep: the text has more than `MAX_DEPTH` levels.
        ValueError: the text is not JSON. The message ends a sentence: "not JSON: …".
    """
    check_depth(text)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    if _LONG_INTEGER.search(text if isinstance(text, bytes) else text.encode()):
        try:
            return json.loads(text)
        except ValueError:
            # More digits than Python reads.
            return value
    return value


def json_bytes(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return a value as JSON; its integers may have any size.

    Half of a surrogate pair, as a header or an argument of a command may hold, becomes "?".
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        compact = (",", ":")
        text = json.dumps(value, ensure_ascii=False, separators=compact, sort_keys=sort_keys)
        return text.encode(errors="replace")


def map_strings(value: Any, change: Callable[[str], Any]) -> Any:
    """Return a JSON value with `change` applied to every string in it; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    return value
