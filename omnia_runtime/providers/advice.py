"""What a failed call of a model says to a person: what happened, and what to do."""

import math
import re

from omnia_core.errors import Advice

SEND_AGAIN = "Send the message again."
_LATER = "Send the message again in a little while."
_BAD_REQUEST, _UNPAID, _NOT_FOUND, _TOO_LARGE, _RATE_LIMITED = 400, 402, 404, 413, 429
_SERVER_FAULT = 500
_REFUSED = (401, 403)
_TIMEOUTS = (408, 504)
_OVERLOADED = (503, 529)
# The vendors' words; each has its own, and only some of them a code.
_TOO_LONG = re.compile(
    r"context[_ ](length|window|size)|maximum context|prompt is too long|input is too long"
    r"|token count.{0,60}exceeds",
    re.IGNORECASE,
)


def advice_on(
    vendor: str,
    provider: str,
    problem: str,
    *,
    status: int,
    retryable: bool,
    retry_after: float | None = None,
    unpaid: bool = False,
) -> Advice:
    """Return what to say about a failed call.

    Args:
        vendor: the type of the Provider.
        provider: its name in the agent.
        problem: the message of the error.
        status: the HTTP status; 0 if there was no response.
        retryable: whether the same call may succeed later.
        retry_after: the seconds to wait, if the vendor sent them.
        unpaid: whether a quota or a balance is used up.
    """
    if status in (0, _BAD_REQUEST, _TOO_LARGE) and _TOO_LONG.search(problem):
        title = f"The conversation is too long for {vendor}."
        hint = (
            "Begin a new one, or send less. With contextWindow in the defaults of the Provider the"
            " oldest exchanges are left out instead."
        )
    elif unpaid or status == _UNPAID:
        title = f"A quota or the credit at {vendor} is used up."
        hint = "Raise it there, then send the message again."
    elif status == _RATE_LIMITED:
        title = f"{vendor} is asked too often."
        wait = "a little" if retry_after is None else f"{math.ceil(retry_after)} s"
        hint = f"Wait {wait}, then send the message again."
    elif status >= _SERVER_FAULT or status in _TIMEOUTS:
        title, hint = f"{vendor} {_fault(status)}", _LATER
    elif status >= _BAD_REQUEST:
        title, hint = _refusal(vendor, provider, status)
    elif retryable:
        title, hint = f"{vendor} broke off its answer.", SEND_AGAIN
    else:
        title = f"{vendor} gave no answer that can be used."
        hint = f"{SEND_AGAIN} If it fails again, the agent's log has the reason."
    return Advice(title, hint, retryable, retry_after)


def _fault(status: int) -> str:
    if status in _TIMEOUTS:
        return "did not answer in time."
    return "is overloaded." if status in _OVERLOADED else "has a fault at present."


def _refusal(vendor: str, provider: str, status: int) -> tuple[str, str]:
    if status in _REFUSED:
        return f"{vendor} does not accept the key.", f'Correct that of the provider "{provider}".'
    if status == _NOT_FOUND:
        return (
            f"{vendor} does not know what it is asked for.",
            f'Check model and baseURL of the provider "{provider}".',
        )
    if status == _TOO_LARGE:
        return f"The message is too large for {vendor}.", "Send less, or smaller files."
    return (
        f"{vendor} does not accept the request.",
        f'Its words say what to change, in the provider "{provider}" or in the message.',
    )
