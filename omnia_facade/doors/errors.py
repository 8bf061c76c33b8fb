"""One table: what a failure is called at each door."""

from collections.abc import Mapping

from msgspec import Struct, field

from omnia_core.conversation.budget import retry_after
from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.http.errors import HttpError
from omnia_facade.backend.events import Failed
from omnia_facade.entrance.errors import RETRY_NOW

# Failures of requests, besides the codes of turns.
UNAUTHORIZED = "UNAUTHORIZED"
FORBIDDEN_ORIGIN = "FORBIDDEN_ORIGIN"
NOT_FOUND = "NOT_FOUND"
RUN_NOT_FOUND = "RUN_NOT_FOUND"
MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
UNSUPPORTED_PARAMETER = "UNSUPPORTED_PARAMETER"
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
OVERLOADED = "OVERLOADED"
DRAINING = "DRAINING"
PROVIDER_ERROR = "PROVIDER_ERROR"
NOT_SUPPORTED = "NOT_SUPPORTED"


class Meaning(Struct, frozen=True, kw_only=True):
    """A failure at each door.

    Attributes:
        status: HTTP, for every door that answers with a status.
        openai_type, openai_code: of the error object.
        json_rpc: the code at the A2A and MCP doors, where the failure is one of the protocol.
        a2a_reason: of the ErrorInfo; "" for the reason of the JSON-RPC code.
        is_tool_error: at the MCP door the failure is a result with `isError`, for the model to
            read, and not an error of the protocol.
        retry: whether a client may send the request again by itself.
        headers: of the answer.
    """

    status: int
    openai_type: str = "invalid_request_error"
    openai_code: str | None = None
    json_rpc: int = -32603
    a2a_reason: str = ""
    is_tool_error: bool = False
    retry: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


_INVALID = Meaning(status=400, openai_code="invalid_message", json_rpc=-32602)
_UNKNOWN_SESSION = Meaning(
    status=404, openai_code="session_not_found", json_rpc=-32602, is_tool_error=True
)

MEANINGS: Mapping[str, Meaning] = {
    ErrorCode.INVALID_MESSAGE: _INVALID,
    ErrorCode.MEDIA_NOT_ENABLED: Meaning(
        status=400, openai_code="media_not_enabled", json_rpc=-32602, is_tool_error=True
    ),
    UNSUPPORTED_PARAMETER: Meaning(
        status=400, openai_code="unsupported_parameter", json_rpc=-32602
    ),
    UNAUTHORIZED: Meaning(status=401, openai_code="invalid_api_key"),
    FORBIDDEN_ORIGIN: Meaning(status=403, openai_code="forbidden_origin"),
    NOT_FOUND: Meaning(status=404, openai_code="not_found", json_rpc=-32601),
    MODEL_NOT_FOUND: Meaning(status=404, openai_code="model_not_found"),
    RUN_NOT_FOUND: Meaning(
        status=404, openai_code="not_found", json_rpc=-32001, a2a_reason="TASK_NOT_FOUND"
    ),
    ErrorCode.SESSION_NOT_FOUND: _UNKNOWN_SESSION,
    ErrorCode.SESSION_EXPIRED: _UNKNOWN_SESSION,
    METHOD_NOT_ALLOWED: Meaning(status=405, openai_code="method_not_allowed", json_rpc=-32600),
    REQUEST_TIMEOUT: Meaning(status=408, openai_code="request_timeout", json_rpc=-32600),
    ErrorCode.SESSION_CONFLICT: Meaning(
        status=409,
        openai_code="session_busy",
        is_tool_error=True,
        retry=True,
        headers=RETRY_NOW,
    ),
    REQUEST_TOO_LARGE: Meaning(status=413, openai_code="request_too_large", json_rpc=-32600),
    UNSUPPORTED_MEDIA_TYPE: Meaning(
        status=415, openai_code="unsupported_media_type", json_rpc=-32005
    ),
    ErrorCode.RATE_LIMITED: Meaning(
        status=429, openai_type="rate_limit_error", openai_code="rate_limited", retry=True
    ),
    # What OpenAI's API calls it; its clients do not repeat such a request by themselves.
    ErrorCode.BUDGET_EXCEEDED: Meaning(
        status=429,
        openai_type="insufficient_quota",
        openai_code="insufficient_quota",
        is_tool_error=True,
    ),
    ErrorCode.INTERNAL_ERROR: Meaning(
        status=500, openai_type="server_error", openai_code="internal_error", is_tool_error=True
    ),
    NOT_SUPPORTED: Meaning(
        status=501,
        openai_code="not_supported",
        json_rpc=-32004,
        a2a_reason="UNSUPPORTED_OPERATION",
        is_tool_error=True,
    ),
    PROVIDER_ERROR: Meaning(
        status=502, openai_type="server_error", openai_code="provider_error", is_tool_error=True
    ),
    ErrorCode.AGENT_UNAVAILABLE: Meaning(
        status=503,
        openai_type="server_error",
        openai_code="agent_unavailable",
        is_tool_error=True,
        retry=True,
        headers=RETRY_NOW,
    ),
    OVERLOADED: Meaning(
        status=503,
        openai_type="server_error",
        openai_code="overloaded",
        retry=True,
        headers=RETRY_NOW,
    ),
    DRAINING: Meaning(
        status=503,
        openai_type="server_error",
        openai_code="draining",
        retry=True,
        headers=RETRY_NOW,
    ),
}
# A turn may fail with a code that the runtime of somebody else made.
_OTHER = Meaning(status=502, openai_type="server_error", is_tool_error=True)
# The answer was begun: the message is stored, and sending it again would repeat it.
_BEGUN = Meaning(
    status=502, openai_type="server_error", openai_code="agent_unavailable", is_tool_error=True
)

_CODES_OF_STATUS: Mapping[int, str] = {
    400: ErrorCode.INVALID_MESSAGE,
    401: UNAUTHORIZED,
    403: FORBIDDEN_ORIGIN,
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    408: REQUEST_TIMEOUT,
    413: REQUEST_TOO_LARGE,
    415: UNSUPPORTED_MEDIA_TYPE,
    417: ErrorCode.INVALID_MESSAGE,
    500: ErrorCode.INTERNAL_ERROR,
    503: OVERLOADED,
}


class DoorFailed(Exception):
    """A request is answered with a failure, in the form of its door.

    Attributes:
        code: a key of `MEANINGS`, or a code that a runtime sent.
        message: for the person who has to act.
        parameter: the field of the request that is wrong, or "".
        begun: the user's message may be stored, so the request must not be repeated.
        meaning: the code at each door.
        headers: of the answer.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        parameter: str = "",
        begun: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # A message may quote a request, whose bytes need not be UTF-8; every door answers in it.
        message = message.encode(errors="replace").decode()
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.begun = begun
        self.meaning = meaning_of(code, begun=begun)
        self.headers = {**self.meaning.headers, **(headers or {})}


def meaning_of(code: str, *, begun: bool = False) -> Meaning:
    """Return what a code means at each door; `begun` if the answer had begun."""
    if begun and code == ErrorCode.AGENT_UNAVAILABLE:
        return _BEGUN
    return MEANINGS.get(code, _OTHER)


def failure_of(failed: Failed, *, begun: bool) -> DoorFailed:
    """Return the failure of a turn.

    An agent that became unavailable may have stored the message, unless it was never reached.
    """
    lost = failed.code == ErrorCode.AGENT_UNAVAILABLE and not failed.undelivered
    spent = failed.code == ErrorCode.BUDGET_EXCEEDED
    headers = retry_after(failed.message) if spent else None
    return DoorFailed(failed.code, failed.message, begun=begun or lost, headers=headers)


def failure_of_http(error: HttpError) -> DoorFailed:
    """Return the failure for an error of the kernel."""
    code = _CODES_OF_STATUS.get(error.status, ErrorCode.INTERNAL_ERROR)
    if error.error == "draining":
        code = DRAINING
    return DoorFailed(code, str(error), headers=error.headers)


def invalid(message: str, parameter: str = "") -> DoorFailed:
    """Return the failure of a request whose content is wrong."""
    return DoorFailed(ErrorCode.INVALID_MESSAGE, message, parameter=parameter)
