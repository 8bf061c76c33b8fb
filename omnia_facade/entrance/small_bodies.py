"""Small bodies of requests that are answered in front of a pod that serves no HTTP."""

from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_DIGITS = 9


def body_size(head: RequestHead, limit: int) -> int:
    """Return the size of the body in bytes, as the head says it.

    Raises:
        HttpError: 411 or 413: the head does not say it, or it exceeds `limit`.
    """
    text = head.headers.get("content-length", "0")
    if "transfer-encoding" in head.headers or not (text.isascii() and text.isdecimal()):
        detail = "send the body with a Content-Length, not in chunks"
        raise HttpError(411, "length_required", detail)
    if len(text) > _MAX_DIGITS or int(text) > limit:
        raise HttpError(413, "payload_too_large", f"the body is larger than {limit} bytes")
    return int(text)


def expects_continue(head: RequestHead) -> bool:
    """Whether the client waits for `100 Continue` before it sends the body."""
    return head.headers.get("expect", "").lower() == "100-continue"
