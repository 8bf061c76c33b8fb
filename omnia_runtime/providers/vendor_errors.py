"""Failures of a vendor's API, and the reading of its errors in all their shapes."""

import json
import re
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.http_client import seconds
from omnia_runtime.ports.model import is_retryable
from omnia_runtime.providers.lenient import loads

_MAX_WORDS = 300


class VendorFailure(Exception):
    """A request that the vendor's API does not accept, or an answer that broke off.

    The adapter raises it again as a ProviderError with the provider's name.

    Attributes:
        problem: continues a sentence that begins with the provider's name.
        status: the matching HTTP status, 0 when there is none; some statuses are retryable.
        retry: whether the same call may succeed later; None means that the status says it.
        attempts: the most attempts that are worth it; None means as many as usual.
        retry_after: the seconds to wait, if the server sent them.
    """

    def __init__(
        self,
        problem: str,
        *,
        status: int = 0,
        retry: bool | None = None,
        attempts: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.retry = retry
        self.attempts = attempts
        self.retry_after = retry_after


# The HTTP status that an error of this type or code has outside of a stream.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "vector_store_timeout": 500,
    "unavailable": 503,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# Another call cannot succeed before somebody pays.
_UNPAID = frozenset(
    {"insufficient_quota", "budget_exceeded", "billing_hard_limit_reached", "insufficient_balance"}
)
# Where servers put an error, and the words of it; the outer ones come first.
_ERROR_KEYS = ("error", "errors", "detail", "fault")
_WORD_KEYS = (
    "message",
    "msg",
    "error_message",
    "error_msg",
    "errormessage",
    "status_msg",
    "faultstring",
    "error_description",
    "description",
    "title",
    "reason",
)
_CODE_KEYS = ("code", "status", "statuscode", "status_code", "error_code", "http_status", "type")
_NUMBER_KEYS = ("code", "statuscode", "status_code", "error_code", "http_status")
_SUCCESSES = frozenset({"0", "200", "ok", "success", "false"})
_FAILURES = frozenset({"error", "failed", "fail", "failure"})
_MARKUP = re.compile(r"<(script|style|head)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)
# A page may be as long as an answer; its beginning has the words.
_MAX_MARKUP = 64 * 1024
_FIRST_ERROR = 400
_LAST_ERROR = 599


def error_text(body: bytes, limit: int = _MAX_WORDS) -> str:
    """Return the words of an error body of any shape, at most `limit` characters long."""
    try:
        words = _words(loads(body))
    except ValueError:
        words = ""
    if not words:
        text = body[:_MAX_MARKUP].decode(errors="replace")
        words = " ".join((_MARKUP.sub(" ", text) if text.lstrip()[:1] == "<" else text).split())
    return words[:limit]


def is_reported(error: Any) -> bool:
    """Whether the member `error` of an answer reports one.

    Some servers always send the member: as an empty text or object, or with empty members.
    """
    return any(map(bool, error.values())) if isinstance(error, dict) else bool(error)


def member_failure(error: msgspec.Raw, default: int = 0) -> VendorFailure | None:
    """Return the failure that the member `error` of a piece of an answer reports, None if none."""
    value = loads(bytes(error))
    return stream_failure({"error": value}, default) if is_reported(value) else None


def stream_failure(error: Any, default: int = 0) -> VendorFailure:
    """Return the failure for an error that a stream reports, as an object or as a text.

    Args:
        error: the decoded value.
        default: the HTTP status when the error names none.
    """
    codes = _codes(error)
    status = next((code for name in codes if (code := _status(name))), default)
    named = ", ".join(code for code in codes if code != "error")
    words = _words(error) or named or _shown(error)
    unpaid = not _UNPAID.isdisjoint(codes)
    return VendorFailure(
        f"broke off: {words[:_MAX_WORDS]}",
        status=status,
        retry=is_retryable(status),
        attempts=1 if unpaid else None,
        retry_after=_delay(_details(error)),
    )


def reported_failure(event: JsonObject, name: str = "", default: int = 0) -> VendorFailure | None:
    """Return the failure that an event reports, None if it reports none.

    Args:
        event: an event that is no piece of an answer.
        name: the event's name in the stream.
        default: the HTTP status when the error names none.
    """
    lower = {key.lower(): value for key, value in event.items()}
    reported = (
        name == "error"
        or "error" in (event.get("object"), event.get("type"))
        or any(is_reported(lower.get(key)) for key in _ERROR_KEYS)
        or _failed(lower.get("base_resp"))
        or (_failed(lower) and any(isinstance(lower.get(key), str) for key in _WORD_KEYS))
    )
    return stream_failure(event, default) if reported else None


def _failed(answer: Any) -> bool:
    """Whether the members of an answer that tell success from failure tell a failure."""
    if not isinstance(answer, dict):
        return False
    if answer.get("success") is False or str(answer.get("status")).lower() in _FAILURES:
        return True
    if str(answer.get("type") or "").lower().endswith(("error", "exception")):
        return True
    return any(str(answer.get(key) or 0).lower() not in _SUCCESSES for key in _NUMBER_KEYS)


def may_be_unpaid(body: bytes) -> bool:
    """Whether an error body says that a quota or a balance is used up."""
    try:
        return not _UNPAID.isdisjoint(_codes(loads(body)))
    except ValueError:
        return False


def _words(error: Any) -> str:
    """Return the first text that describes an error, "" if there is none."""
    if isinstance(error, str):
        return error.strip()
    if isinstance(error, list):
        return next((words for item in error if (words := _words(item))), "")
    if not isinstance(error, dict):
        return ""
    lower = {key.lower(): value for key, value in error.items()}
    for key in (*_ERROR_KEYS, *_WORD_KEYS, "base_resp"):
        if words := _words(lower.get(key)):
            return _with_cause(words, lower.get("metadata")) + _place(lower.get("loc"))
    return ""


def _with_cause(words: str, metadata: Any) -> str:
    """Return the words with those of the server behind a gateway, as OpenRouter reports them."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw.strip():
        return words
    return f"{words}: {error_text(raw.encode())}"


def _place(loc: Any) -> str:
    """Return the place in the request that FastAPI names beside an error that says only what."""
    return f" ({'.'.join(map(str, loc))})" if isinstance(loc, list) and loc else ""


def _shown(error: Any) -> str:
    """Return an error without words as JSON."""
    while isinstance(error, dict) and list(error) == ["error"]:
        error = error["error"]
    return f"no reason given ({json.dumps(error)})" if is_reported(error) else "no reason given"


def _codes(error: Any) -> list[str]:
    """Return the codes, types and statuses of an error, the outer ones first."""
    if isinstance(error, list):
        return _codes(error[0]) if error else []
    if not isinstance(error, dict):
        return []
    lower = {key.lower(): value for key, value in error.items()}
    found = [lower[key] for key in _CODE_KEYS if isinstance(lower.get(key), str | int | float)]
    inner = [code for key in (*_ERROR_KEYS, "base_resp") for code in _codes(lower.get(key))]
    return [_code(value) for value in found if value] + inner


def _code(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _status(code: str) -> int:
    if code.isdecimal() and len(code) == len(str(_LAST_ERROR)):
        return int(code) if _FIRST_ERROR <= int(code) <= _LAST_ERROR else 0
    return _STATUS.get(code.lower(), 0)


# Google's APIs, and gateways in front of them, put into the details of an error what other
# vendors express by a status or a header. Source:
# https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto


def refuses_key(body: bytes) -> bool:
    """Whether an error body says that the API key is invalid, whatever the status."""
    details = _details(_parsed(body))
    return any(detail.get("reason") == "API_KEY_INVALID" for detail in details)


def retry_delay(body: bytes) -> float | None:
    """Return the seconds to wait that an error body asks for, None when it asks for none."""
    return _delay(_details(_parsed(body)))


def _delay(details: list[JsonObject]) -> float | None:
    delays = (seconds(detail.get("retryDelay")) for detail in details)
    return next((delay for delay in delays if delay is not None), None)


def _parsed(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:
        return None


def _details(found: Any) -> list[JsonObject]:
    """Return the details of an error, which may be the element of a list."""
    if isinstance(found, list):
        found = found[0] if found else None
    error = found.get("error") if isinstance(found, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []
