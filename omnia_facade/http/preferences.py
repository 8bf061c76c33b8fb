"""What a caller asks for in headers: how long to wait, and to be answered once."""

import re
from collections.abc import Sequence

from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed

# RFC 7240, section 4.3, in the only form that means something: seconds, at least one.
_WAIT = re.compile(r'wait\s*=\s*"?0*([1-9][0-9]{0,8})"?\s*(?:;|$)', re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def wait_seconds(values: Sequence[str]) -> int | None:
    """Return the seconds of the first `Prefer: wait=…`; what is not understood is ignored."""
    for value in values:
        for preference in value.split(","):
            found = _WAIT.match(preference.strip())
            if found:
                return int(found[1])
    return None


def idempotency_key(values: Sequence[str]) -> str | None:
    """Return the key of the `Idempotency-Key` headers, without the quotes that it may have.

    Raises:
        FunctionFailed: it is none.
    """
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_KEY_INVALID,
            "an Idempotency-Key is 1 to 255 visible ASCII characters, in one header; a UUID is"
            " best",
        )
    key = values[0]
    # The draft wants a quoted string; most callers send a bare one.
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key  # noqa: PLR2004 - quotes
