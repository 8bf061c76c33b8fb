"""Why a request is not answered."""

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
    """Why a request is not answered, for the caller."""

    error: str
    detail: str


class Refused(Exception):
    """The request has no answer; `detail` may be shown to the caller."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
