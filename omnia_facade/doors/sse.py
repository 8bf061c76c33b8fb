"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import Mapping
from typing import Any

import orjson

from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json

# What keeps proxies and compressors from holding a stream back.
HEADERS: Mapping[str, str] = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
OPEN = b": open\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
DONE = "data: [DONE]\n\n"


def event(value: JsonObject, name: str = "", event_id: str = "") -> str:
    """Return an event whose data is JSON; numbers of any size stay exact."""
    head = (f"event: {name}\n" if name else "") + (f"id: {event_id}\n" if event_id else "")
    return f"{head}data: {json_bytes(value).decode()}\n\n"


def json_text(text: str) -> str:
    """Return a JSON string; half a character of a pair, which no client can read, is replaced."""
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return orjson.dumps(whole).decode()


class TextEvent:
    """Makes the events of text pieces: no object is built for a piece but its own text."""

    __slots__ = ("_after", "_before")

    def __init__(self, before: str, after: str) -> None:
        """Surround each piece, a JSON string, by what comes before and after it in the data."""
        self._before = f"data: {before}"
        self._after = f"{after}\n\n"

    def __call__(self, text: str) -> str:
        """Return the event of a piece."""
        return f"{self._before}{json_text(text)}{self._after}"


def any_json(text: str) -> Any:
    """Return the JSON value of a tool's arguments or result, or the text where it is none."""
    try:
        return parse_json(text)
    except ValueError:
        return text
