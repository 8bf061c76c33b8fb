"""What a vendor's error body says, whatever its shape."""

import msgspec


class _ErrorBody(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    error: _ErrorBody | str | None = None
    message: str = ""


def error_text(body: bytes, limit: int = 300) -> str:
    """Return the message of an error body, of whatever shape, in at most `limit` characters."""
    try:
        found = msgspec.json.decode(body, type=_Error)
    except msgspec.DecodeError:
        return body.decode(errors="replace").strip()[:limit]
    inner = found.error.message if isinstance(found.error, _ErrorBody) else found.error
    return (inner or found.message or body.decode(errors="replace"))[:limit]
