"""Corrects a JSON-RPC message before the SDK reads it.

The SDK drops a message that is malformed, and the call that it answers would wait for its time
limit.
"""

import json
import re
from typing import Any

import orjson

from omnia_core.jsonvalue import JsonObject, json_bytes

_SERVER_ERROR = -32000
_ID = re.compile(rb'"id"\s*:\s*(\d{1,15})')
_NUMBER = re.compile(r"-?\d{1,9}(\.0)?")
_DATA = re.compile(rb"(?m)^data: ?([^\r\n]*)")
_BOM = b"\xef\xbb\xbf"
# Where an answer that cannot be read may say which call it answers.
_START = 4096


def corrected(raw: bytes) -> bytes:
    """Return a message as JSON-RPC wants it; unchanged where it is so, or is no message."""
    raw = raw.removeprefix(_BOM)
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        message = _tolerantly(raw)
        if message is None:
            return unreadable(raw) or raw
    else:
        if _is_valid(message):
            return raw
    if isinstance(message, list) and len(message) == 1:
        message = message[0]
    if not isinstance(message, dict):
        return raw
    text = json.dumps(_corrected(message), ensure_ascii=False)
    # Half of a surrogate pair is no character.
    return text.encode("utf-8", "replace")


def corrected_event(event: bytes) -> bytes:
    """Return an event of a stream whose one line of data is a message, with it corrected."""
    lines = _DATA.findall(event)
    if len(lines) != 1:
        return event
    message = corrected(lines[0])
    return event if message == lines[0] else event.replace(lines[0], message, 1)


def unreadable(raw: bytes) -> bytes | None:
    """Return the error for the call that an unreadable message answers; None if it names none."""
    found = _ID.search(raw, 0, _START) if raw.lstrip().startswith(b"{") else None
    if found is None:
        return None
    error = _error("answered with JSON that cannot be read")
    return orjson.dumps({"jsonrpc": "2.0", "id": int(found[1]), "error": error})


def _tolerantly(raw: bytes) -> Any:
    """Parse JSON with numbers such as NaN and with bytes that are not UTF-8."""
    try:
        return json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _is_valid(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return False
    if isinstance(message.get("method"), str):
        return True
    if not isinstance(message.get("id"), int | str):
        return False
    if "error" in message:
        error = message["error"]
        return (
            isinstance(error, dict)
            and isinstance(error.get("code"), int)
            and isinstance(error.get("message"), str)
        )
    return isinstance(message.get("result"), dict)


def _corrected(message: JsonObject) -> JsonObject:
    found = {**message, "jsonrpc": "2.0"}
    if isinstance(found.get("method"), str):
        return found
    number = found.get("id")
    if isinstance(number, float) and number.is_integer():
        found["id"] = int(number)
    answer = {"jsonrpc": "2.0", "id": found.get("id")}
    if found.get("error") is not None:
        return answer | {"error": _error(found["error"])}
    result = found.get("result")
    if result is None:
        return answer | {"error": _error("answered without a result")}
    return answer | {"result": result if isinstance(result, dict) else _content(result)}


def _error(error: Any) -> JsonObject:
    """Return an error with a code and a message, and with what else the server says."""
    members = error if isinstance(error, dict) else {"message": error}
    code, words = members.get("code"), members.get("message")
    words = "" if words is None else _text(words)
    if not isinstance(code, int):
        named = str(code) if code is not None else ""
        if _NUMBER.fullmatch(named):
            code = int(float(named))
        else:
            code, words = _SERVER_ERROR, f"{named}: {words}" if named else words
    found: JsonObject = {"code": code, "message": words}
    return found | {"data": members["data"]} if "data" in members else found


def _content(value: Any) -> JsonObject:
    """Return the result of a tool that answers with a value in place of content."""
    blocks = value if isinstance(value, list) else [{"type": "text", "text": _text(value)}]
    return {"content": blocks}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_bytes(value).decode()
