"""Answers with status 200 that are not an event stream: one JSON value, or something else."""

import json

from omnia_runtime.providers.lenient import loads
from omnia_runtime.providers.vendor_errors import VendorFailure, error_text

_BLANK = b" \t\r\n"
# How a line of an event stream may begin.
_FIELDS = (b"data", b"event", b"id", b"retry", b":")
_BOM = b"\xef\xbb\xbf"


def is_whole_body(start: bytes, content_type: str) -> bool:
    """Whether a body is not an event stream, by its first bytes and its content type."""
    first = start.lstrip(_BOM).lstrip(_BLANK)
    if first[:1] in (b"{", b"[", b"<"):
        return True
    if content_type == "text/event-stream":
        return False
    return not any(first.startswith(field) or field.startswith(first) for field in _FIELDS)


def is_blank(start: bytes) -> bool:
    """Whether nothing in these first bytes says yet what a body is."""
    return not start.lstrip(_BOM).strip(_BLANK)


def whole_body_events(body: bytes) -> list[bytes]:
    """Return the events of a JSON body: itself, or the elements of a list; [] for other bodies."""
    try:
        found = loads(body.lstrip(_BOM))
    except ValueError:
        return []
    items = found if isinstance(found, list) else [found]
    return [json.dumps(item, ensure_ascii=False).encode() for item in items]


def unexpected_body(body: bytes, content_type: str) -> VendorFailure:
    """Return the failure for a body that is not an event stream and has no whole answer."""
    words = error_text(body) or "an empty body"
    return VendorFailure(
        f'answered with the content type "{content_type}" and no answer of a model, where a '
        f"stream of events was expected; check baseURL: {words}",
        retry=False,
    )
