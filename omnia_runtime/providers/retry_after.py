"""How long a vendor asks to wait before the next attempt."""

import time
from collections.abc import Mapping


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that a response asks to wait, None when it does not say.

    `Retry-After` holds seconds or a date (RFC 9110, 10.2.3); OpenAI and Anthropic may send the more
    precise `retry-after-ms`. `now` is the time of the clock in seconds since 1970.
    """
    precise = _number(headers.get("retry-after-ms"))
    if precise is not None:
        return precise / 1000
    text = headers.get("Retry-After")
    seconds = _number(text)
    return seconds if seconds is not None or text is None else _until(text, now)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _until(text: str, now: float | None) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few vendors send a date

    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(moment - (time.time() if now is None else now), 0.0)
