"""The errors of A2A: one table from the reason to the codes of every binding."""

from enum import Enum
from http import HTTPStatus

from omnia_core.jsonvalue import JsonObject

DOMAIN = "a2a-protocol.org"
_TYPE = "type.googleapis.com/google.rpc."


class Reason(Enum):
    """Why a request is refused: JSON-RPC code, HTTP status, gRPC status by name and number.

    A2A 1.0.1, section 5.4.
    """

    TASK_NOT_FOUND = (-32001, 404, "NOT_FOUND", 5)
    TASK_NOT_CANCELABLE = (-32002, 400, "FAILED_PRECONDITION", 9)
    PUSH_NOTIFICATION_NOT_SUPPORTED = (-32003, 400, "FAILED_PRECONDITION", 9)
    UNSUPPORTED_OPERATION = (-32004, 400, "FAILED_PRECONDITION", 9)
    # The specification has 400, its conformance kit 415; only a request's own type is refused.
    CONTENT_TYPE_NOT_SUPPORTED = (-32005, 415, "INVALID_ARGUMENT", 3)
    EXTENDED_AGENT_CARD_NOT_CONFIGURED = (-32007, 400, "FAILED_PRECONDITION", 9)
    VERSION_NOT_SUPPORTED = (-32009, 400, "FAILED_PRECONDITION", 9)
    JSON_PARSE = (-32700, 400, "INVALID_ARGUMENT", 3)
    INVALID_REQUEST = (-32600, 400, "INVALID_ARGUMENT", 3)
    METHOD_NOT_FOUND = (-32601, 404, "NOT_FOUND", 5)
    INVALID_PARAMS = (-32602, 400, "INVALID_ARGUMENT", 3)
    INTERNAL_ERROR = (-32603, 500, "INTERNAL", 13)
    UNAVAILABLE = (-32603, 503, "UNAVAILABLE", 14)

    @property
    def code(self) -> int:
        """The JSON-RPC code."""
        return self.value[0]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[1]


class A2aError(Exception):
    """A request is answered with this error.

    Attributes:
        reason: the row of the table.
        field: the member of the request that is wrong, such as `message.parts`; "" for no member.
        task_id: the task that the request names; "" for none.
        retry_seconds: when the request may be sent again; 0 if that changes nothing.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        field: str = "",
        task_id: str = "",
        retry_seconds: int = 0,
    ) -> None:
        # A message may quote a request.
        super().__init__(message.encode(errors="replace").decode())
        self.reason = reason
        self.field = field
        self.task_id = task_id
        self.retry_seconds = retry_seconds

    @property
    def details(self) -> list[JsonObject]:
        """The details in the form of `google.rpc`."""
        info: JsonObject = {
            "@type": f"{_TYPE}ErrorInfo",
            "reason": self.reason.name,
            "domain": DOMAIN,
        }
        if self.task_id:
            info["metadata"] = {"taskId": self.task_id}
        details = [info]
        if self.field:
            violation = {"field": self.field, "description": str(self)}
            details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
        if self.retry_seconds:
            delay = f"{self.retry_seconds}s"
            details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": delay})
        return details


def task_not_found(task_id: str) -> A2aError:
    """Return the error for a task that is unknown, forgotten, or of another user."""
    return A2aError(
        Reason.TASK_NOT_FOUND,
        "the task is unknown or no longer kept; send a message without taskId",
        task_id=task_id[:128],
    )


def rest_error(error: A2aError) -> JsonObject:
    """Return the body of an HTTP+JSON answer (AIP-193)."""
    _, status, name, _ = error.reason.value
    return {
        "error": {
            "code": HTTPStatus(status).value,
            "status": name,
            "message": str(error),
            "details": error.details,
        }
    }


def jsonrpc_error(error: A2aError) -> JsonObject:
    """Return the `error` of a JSON-RPC answer."""
    return {"code": error.reason.code, "message": str(error), "data": error.details}
