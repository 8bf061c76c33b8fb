"""The root exception with its error code, the gRPC status of each code, and quotes in errors."""

from enum import StrEnum

from msgspec import Struct

# Characters of a sender's own text that an error repeats.
MAX_QUOTE = 200


class Code(StrEnum):
    """Error codes, named like the gRPC status codes."""

    CANCELLED = "cancelled"
    INVALID_ARGUMENT = "invalid_argument"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NOT_FOUND = "not_found"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    FAILED_PRECONDITION = "failed_precondition"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


# Numbers of the gRPC status codes (grpc/grpc, doc/statuscodes.md).
GRPC_STATUS: dict[Code, int] = {
    Code.CANCELLED: 1,
    Code.INVALID_ARGUMENT: 3,
    Code.DEADLINE_EXCEEDED: 4,
    Code.NOT_FOUND: 5,
    Code.RESOURCE_EXHAUSTED: 8,
    Code.FAILED_PRECONDITION: 9,
    Code.UNIMPLEMENTED: 12,
    Code.INTERNAL: 13,
    Code.UNAVAILABLE: 14,
}
_CODE_OF_STATUS = {status: code for code, status in GRPC_STATUS.items()}


def code_of_status(status: int) -> Code:
    """Return the code of a gRPC status number; `INTERNAL` for a number without a code."""
    return _CODE_OF_STATUS.get(status, Code.INTERNAL)


def abridged(text: str, limit: int = MAX_QUOTE) -> str:
    """Return a text that quotes what somebody sent, without its middle if it is too long.

    An error says at its beginning what it is about, and at its end what was expected.
    """
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end - 1]}…{text[-end:]}"


class Advice(Struct, frozen=True):
    """What an error says to a person, beside its message.

    Attributes:
        title: a sentence that says what happened.
        hint: what to do, on one line; may be "".
        retryable: whether the same message may succeed later.
        retry_after: seconds to wait before that; None when not known.
        kept: of an answer that broke off, whether what was said is stored; else None.
    """

    title: str
    hint: str
    retryable: bool = False
    retry_after: float | None = None
    kept: bool | None = None


class OmniaError(Exception):
    """An expected failure: `message` may be shown to the caller, `code` tells how to react.

    Attributes:
        advice: for a person; None where the code says enough.
    """

    advice: Advice | None = None

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigurationError(OmniaError):
    """The configuration is invalid: the message names the setting or file to change."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.FAILED_PRECONDITION, message)
