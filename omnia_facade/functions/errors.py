"""Why a function call has no output."""

from enum import StrEnum
from typing import Any


class FunctionErrorCode(StrEnum):
    """What went wrong, as callers see it."""

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
    INTERNAL_ERROR = "internal_error"
    RUNTIME_ERROR = "runtime_error"
    OUTPUT_INVALID = "output_invalid"
    OVERLOADED = "overloaded"
    IDEMPOTENCY_UNAVAILABLE = "idempotency_unavailable"


class FunctionFailed(Exception):
    """A refused or failed call; `raw_output` is what the model said when that was the reason."""

    def __init__(self, code: FunctionErrorCode, detail: str, **raw_output: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.body = {"error": code, "detail": detail, **raw_output}
