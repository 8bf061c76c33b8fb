"""What the details of a Google error say, which other vendors say with a status or a header.

Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
"""

import msgspec


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""


class _Error(msgspec.Struct):
    details: list[_Detail] = msgspec.field(default_factory=list)


class _Body(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def refuses_key(body: bytes) -> bool:
    """Whether an error is about the key, though its status is 400."""
    return any(detail.reason == "API_KEY_INVALID" for detail in _details(body))


def retry_delay(body: bytes) -> float | None:
    """Return the seconds that an error asks to wait, None when it does not say."""
    for detail in _details(body):
        if detail.retry_delay.endswith("s"):
            try:
                return max(float(detail.retry_delay[:-1]), 0.0)
            except ValueError:
                return None
    return None


def _details(body: bytes) -> list[_Detail]:
    try:
        return msgspec.json.decode(body, type=_Body).error.details
    except msgspec.DecodeError:
        return []
