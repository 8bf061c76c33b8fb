"""Errors in the words of the OpenAI API: `{"error": {"message", "type", "param", "code"}}`."""

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import abridged
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.doors.errors import (
    MODEL_NOT_FOUND,
    RUN_NOT_FOUND,
    UNSUPPORTED_PARAMETER,
    DoorFailed,
)
from omnia_facade.doors.port import Reply

# Clients of OpenAI repeat a request after 408, 409, 429 and from 500 on, unless this says no. A
# message that is stored must not be said again.
SHOULD_RETRY = "x-should-retry"


class NamedFailure(DoorFailed):
    """A failure with a word of its own in this API.

    Attributes:
        name: the `code` of the error object.
    """

    def __init__(self, code: str, message: str, *, name: str, parameter: str = "") -> None:
        super().__init__(code, message, parameter=parameter)
        self.name = name


def invalid(message: str, parameter: str = "", name: str = "invalid_value") -> DoorFailed:
    """Return the failure of a request whose content is wrong."""
    return NamedFailure(ErrorCode.INVALID_MESSAGE, message, name=name, parameter=parameter)


def unsupported(parameter: str, message: str) -> DoorFailed:
    """Return the failure of a request with a parameter that this agent cannot honour."""
    return DoorFailed(UNSUPPORTED_PARAMETER, f"{parameter}: {message}", parameter=parameter)


def unknown_model(asked: str, known: str) -> DoorFailed:
    """Return the failure of a request for a model that is not served here."""
    message = f'the model "{abridged(asked, 64)}" is not served here; use "{known}"'
    return DoorFailed(MODEL_NOT_FOUND, message, parameter="model")


def unknown_previous(text: str) -> DoorFailed:
    """Return the failure of a request that goes on after an unknown response."""
    return NamedFailure(
        RUN_NOT_FOUND,
        f'the previous response "{abridged(text, 160)}" is unknown or has expired; leave out'
        " previous_response_id to begin a new conversation",
        name="previous_response_not_found",
        parameter="previous_response_id",
    )


def previous_not_last(text: str) -> DoorFailed:
    """Return the failure of a request that goes on after a response with a successor."""
    return invalid(
        f'the response "{abridged(text, 160)}" is not the last one of its conversation;'
        " name the last response, or the conversation itself",
        "previous_response_id",
        "previous_response_not_last",
    )


def unknown_response(text: str) -> DoorFailed:
    """Return the failure of a request for an unknown response."""
    message = f'the response "{abridged(text, 160)}" is unknown, was deleted or has expired'
    return NamedFailure(RUN_NOT_FOUND, message, name="response_not_found")


def error_document(failed: DoorFailed) -> JsonObject:
    """Return the error object of a failure."""
    name = failed.name if isinstance(failed, NamedFailure) else failed.meaning.openai_code
    error = {
        "message": failed.message,
        "type": failed.meaning.openai_type,
        "param": failed.parameter or None,
        "code": name,
    }
    return {"error": error}


def refusal(failed: DoorFailed) -> Reply:
    """Return the response for a failure."""
    retry = failed.meaning.retry and not failed.begun
    return Reply(
        status=failed.meaning.status,
        body=json_bytes(error_document(failed)),
        headers={
            "Content-Type": "application/json",
            SHOULD_RETRY: "true" if retry else "false",
        },
    )
