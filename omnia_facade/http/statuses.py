"""The one table from error code to HTTP status, and what goes with it."""

from omnia_facade.functions.errors import FunctionErrorCode

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
    FunctionErrorCode.INTERNAL_ERROR: 500,
    FunctionErrorCode.RUNTIME_ERROR: 502,
    FunctionErrorCode.OUTPUT_INVALID: 502,
    FunctionErrorCode.OVERLOADED: 503,
    FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE: 503,
}

_LATER = {"Retry-After": "1"}
HEADERS: dict[FunctionErrorCode, dict[str, str]] = {
    FunctionErrorCode.METHOD_NOT_ALLOWED: {"Allow": "POST"},
    FunctionErrorCode.IDEMPOTENCY_IN_PROGRESS: _LATER,
    FunctionErrorCode.OVERLOADED: _LATER,
    FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE: _LATER,
}
