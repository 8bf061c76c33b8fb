"""Failures of a vendor's API, and the reading of its error bodies."""

import msgspec


class VendorFailure(Exception):
    """A request that the vendor's API does not accept, or an answer that broke off.

    The adapter raises it again as a ProviderError with the provider's name.

    Attributes:
        problem: continues a sentence that begins with the provider's name.
        status: the matching HTTP status, 0 when there is none; some statuses are retryable.
        retry: whether the same call may succeed later, whatever the status.
    """

    def __init__(self, problem: str, *, status: int = 0, retry: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.retry = retry


class _ErrorObject(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _ErrorObject | str | None = None
    message: str = ""


def error_text(body: bytes, limit: int = 300) -> str:
    """Return the message of an error body of any shape, at most `limit` characters long."""
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except msgspec.DecodeError:
        return body.decode(errors="replace").strip()[:limit]
    inner = found.error.message if isinstance(found.error, _ErrorObject) else found.error
    return (inner or found.message or body.decode(errors="replace"))[:limit]


# Google's APIs, and gateways in front of them, put into the details of an error what other
# vendors express by a status or a header. Source:
# https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto


class _GoogleDetail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""


class _GoogleError(msgspec.Struct):
    details: list[_GoogleDetail] = msgspec.field(default_factory=list)


class _GoogleBody(msgspec.Struct):
    error: _GoogleError = msgspec.field(default_factory=_GoogleError)


def refuses_key(body: bytes) -> bool:
    """Whether an error body says that the API key is invalid, whatever the status."""
    return any(detail.reason == "API_KEY_INVALID" for detail in _details(body))


def retry_delay(body: bytes) -> float | None:
    """Return the seconds to wait that an error body asks for, None when it asks for none."""
    for detail in _details(body):
        if detail.retry_delay.endswith("s"):
            try:
                return max(float(detail.retry_delay[:-1]), 0.0)
            except ValueError:
                return None
    return None


def _details(body: bytes) -> list[_GoogleDetail]:
    try:
        return msgspec.json.decode(body, type=_GoogleBody).error.details
    except msgspec.DecodeError:
        return []
