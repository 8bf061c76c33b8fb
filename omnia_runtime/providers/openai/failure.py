"""The errors that OpenAI's APIs report within a stream."""

import msgspec
from msgspec import Struct

from omnia_runtime.ports.model import is_retryable
from omnia_runtime.providers.failure import VendorFailure

_MAY_PASS = frozenset(
    {"server_error", "rate_limit_exceeded", "overloaded_error", "vector_store_timeout"}
)


class StreamError(Struct):
    """An error object; compatible servers put the HTTP status into `code`."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None


def stream_failure(data: bytes) -> VendorFailure:
    """Return the failure that an error object, or a text in its place, tells of."""
    try:
        error = msgspec.json.decode(data, type=StreamError | str)
    except msgspec.DecodeError:
        error = StreamError()
    if isinstance(error, str):
        error = StreamError(error)
    code = str(error.code or "")
    status = int(code) if code.isdecimal() else 0
    retry = code in _MAY_PASS or error.type in _MAY_PASS or is_retryable(status)
    said = error.message or error.type or code or "no reason given"
    return VendorFailure(f"broke off: {said[:300]}", status=status, retry=retry)
