"""Failures of a vendor's API, and the reading of its errors in all their shapes."""

import re
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import is_retryable
from omnia_runtime.providers.lenient import UNDECODABLE, loads

_MAX_WORDS = 300


class VendorFailure(Exception):
    """A request that the vendor's API does not accept, or an answer that broke off.

    The adapter raises it again as a ProviderError with the provider's name.

    Attributes:
        problem: continues a sentence that begins with the provider's name.
        status: the matching HTTP status, 0 when there is none; some statuses are retryable.
        retry: whether the same call may succeed later; None means that the status says it.
        attempts: the most attempts that are worth it; None means as many as usual.
    """

    def __init__(
        self,
        problem: str,
        *,
        status: int = 0,
        retry: bool | None = None,
        attempts: int | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.retry = retry
        self.attempts = attempts


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
_MARKUP = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_FIRST_ERROR = 400
_LAST_ERROR = 599


def error_text(body: bytes, limit: int = _MAX_WORDS) -> str:
    """Return the words of an error body of any shape, at most `limit` characters long."""
    try:
        words = _words(_loaded(body))
    except ValueError:
        words = ""
    if not words:
        text = body.decode(errors="replace")
        words = " ".join((_MARKUP.sub(" ", text) if text.lstrip()[:1] == "<" else text).split())
    return words[:limit]


def _loaded(body: bytes) -> Any:
    """Return the JSON of an error body, which may be the first event of a stream.

    Raises:
        ValueError: the body has no JSON.
    """
    text = body.lstrip()
    if text.startswith((b"data:", b"event:")):
        text = next((line[5:] for line in text.splitlines() if line.startswith(b"data:")), b"")
    return loads(text)


def stream_failure(error: Any, default: int = 0) -> VendorFailure:
    """Return the failure for an error that a stream reports, as an object or as a text.

    Args:
        error: the decoded value.
        default: the HTTP status when the error names none.
    """
    codes = _codes(error)
    status = next((code for name in codes if (code := _status(name))), default)
    named = ", ".join(code for code in codes if code != "error")
    words = _words(error) or named or "no reason given"
    unpaid = not _UNPAID.isdisjoint(codes)
    return VendorFailure(
        f"broke off: {words[:_MAX_WORDS]}",
        status=status,
        retry=is_retryable(status),
        attempts=1 if unpaid else None,
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
        or any(lower.get(key) for key in _ERROR_KEYS)
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
        return not _UNPAID.isdisjoint(_codes(_loaded(body)))
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
            return words
    return ""


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


class _GoogleDetail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""


class _GoogleError(msgspec.Struct):
    details: list[_GoogleDetail] = msgspec.field(default_factory=list)


class _GoogleBody(msgspec.Struct):
    error: _GoogleError = msgspec.field(default_factory=_GoogleError)


def refuses_key(body: bytes) -> bool:
    """Whether an error body says that the API key is invalid, whatever the status."""
    return any(detail.reason == "API_KEY_INVALID" for detail in _details(body))


def retry_delay(body: bytes) -> float | None:
    """Return the seconds to wait that an error body asks for, None when it asks for none."""
    for detail in _details(body):
        if detail.retry_delay.endswith("s"):
            try:
                return max(float(detail.retry_delay[:-1]), 0.0)
            except ValueError:
                return None
    return None


def _details(body: bytes) -> list[_GoogleDetail]:
    try:
        return msgspec.json.decode(body, type=_GoogleBody).error.details
    except UNDECODABLE:
        return []
