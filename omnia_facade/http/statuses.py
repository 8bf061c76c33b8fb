"""The one table from error code to HTTP status, and what goes with it."""

from omnia_facade.functions.errors import FunctionErrorCode

STATUS: dict[FunctionErrorCode, int] = {
    FunctionErrorCode.INPUT_INVALID: 400,
    FunctionErrorCode.MISSING_FUNCTION_NAME: 400,
    FunctionErrorCode.FUNCTION_NOT_FOUND: 404,
    FunctionErrorCode.METHOD_NOT_ALLOWED: 405,
    FunctionErrorCode.PAYLOAD_TOO_LARGE: 413,
    FunctionErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    FunctionErrorCode.INTERNAL_ERROR: 500,
    FunctionErrorCode.RUNTIME_ERROR: 502,
    FunctionErrorCode.OUTPUT_INVALID: 502,
}

HEADERS: dict[FunctionErrorCode, dict[str, str]] = {
    FunctionErrorCode.METHOD_NOT_ALLOWED: {"Allow": "POST"},
}
