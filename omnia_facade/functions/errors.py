"""Why a function call has no output, and the one table from error code to HTTP status."""

from enum import StrEnum
from typing import Any

from omnia_core.http.errors import HttpError
from omnia_facade.entrance.errors import RETRY_NOW


class FunctionErrorCode(StrEnum):
    """The `error` of an answer."""

    BAD_REQUEST = "bad_request"
    INPUT_INVALID = "input_invalid"
    MISSING_FUNCTION_NAME = "missing_function_name"
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"
    UNAUTHORIZED = "unauthorized"
    FUNCTION_NOT_FOUND = "function_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    IDEMPOTENCY_IN_PROGRESS = "idempotency_in_progress"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    EXPECTATION_FAILED = "expectation_failed"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    BUDGET_EXCEEDED = "budget_exceeded"
    INTERNAL_ERROR = "internal_error"
    RUNTIME_ERROR = "runtime_error"
    OUTPUT_INVALID = "output_invalid"
    OVERLOADED = "overloaded"
    IDEMPOTENCY_UNAVAILABLE = "idempotency_unavailable"


STATUS: dict[FunctionErrorCode, int] = {
    FunctionErrorCode.BAD_REQUEST: 400,
    FunctionErrorCode.INPUT_INVALID: 400,
    FunctionErrorCode.MISSING_FUNCTION_NAME: 400,
    FunctionErrorCode.IDEMPOTENCY_KEY_INVALID: 400,
    FunctionErrorCode.UNAUTHORIZED: 401,
    FunctionErrorCode.FUNCTION_NOT_FOUND: 404,
    FunctionErrorCode.METHOD_NOT_ALLOWED: 405,
    FunctionErrorCode.REQUEST_TIMEOUT: 408,
    FunctionErrorCode.IDEMPOTENCY_IN_PROGRESS: 409,
    FunctionErrorCode.PAYLOAD_TOO_LARGE: 413,
    FunctionErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    FunctionErrorCode.EXPECTATION_FAILED: 417,
    FunctionErrorCode.IDEMPOTENCY_KEY_REUSED: 422,
    FunctionErrorCode.BUDGET_EXCEEDED: 429,
    FunctionErrorCode.INTERNAL_ERROR: 500,
    FunctionErrorCode.RUNTIME_ERROR: 502,
    FunctionErrorCode.OUTPUT_INVALID: 502,
    FunctionErrorCode.OVERLOADED: 503,
    FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE: 503,
}

HEADERS: dict[FunctionErrorCode, dict[str, str]] = {
    FunctionErrorCode.METHOD_NOT_ALLOWED: {"Allow": "POST"},
    FunctionErrorCode.IDEMPOTENCY_IN_PROGRESS: RETRY_NOW,
    FunctionErrorCode.OVERLOADED: RETRY_NOW,
    FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE: RETRY_NOW,
}


RAW_OUTPUT = ("raw_output", "raw_output_truncated")
MAX_RAW_OUTPUT = 8192
"""Characters of a model's answer that an error body repeats."""


class FunctionFailed(HttpError):
    """A rejected or failed call: the only carrier of a failure, from where it occurs to the answer.

    Attributes:
        code: what failed.
        replay_of: the invocation id of the earlier call that failed so, if this is its repetition.
    """

    def __init__(
        self,
        code: FunctionErrorCode,
        detail: str,
        *,
        replay_of: str | None = None,
        **raw_output: Any,
    ) -> None:
        """`raw_output` has the members `RAW_OUTPUT` of the body: what the model answered."""
        super().__init__(STATUS[code], code, detail, HEADERS.get(code), **raw_output)
        self.code = code
        self.replay_of = replay_of
