"""The errors that the API returns, and their HTTP status codes."""

from typing import Literal, TypeAlias

from msgspec import Struct

Reason: TypeAlias = Literal[
    "invalid_request", "unauthorized", "not_found", "timeout", "unavailable"
]

STATUS: dict[Reason, int] = {
    "invalid_request": 400,
    "unauthorized": 401,
    "not_found": 404,
    "timeout": 503,
    "unavailable": 503,
}


class Failure(Struct, frozen=True):
    """The body of an error response: the kind of error, and its explanation."""

    error: str
    detail: str


class Refused(Exception):
    """The request is answered with an error; the caller sees `detail`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
