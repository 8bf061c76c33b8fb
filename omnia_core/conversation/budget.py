"""The messages about a budget that is spent, and how a program reads them."""

import math
import re
from datetime import UTC, datetime

_RESET = re.compile(r"again from (\S{20}) on")


def spent_message(period: str, limit_usd: float, reset: datetime) -> str:
    """Return the message that the budget of a period, day or month, is spent until `reset`."""
    return (
        f"the budget of the agent, {limit_usd:g} USD a {period}, is spent: it answers again from"
        f" {_written(reset)} on; its owner can raise spec.budget"
    )


def warned_message(period: str, limit_usd: float, reset: datetime) -> str:
    """Return the message that a budget is spent which stops no turn."""
    return (
        f"the budget of the agent, {limit_usd:g} USD a {period}, is spent; turns go on, because"
        f" spec.budget.onExceeded is warn; it counts again from {_written(reset)} on"
    )


def judges_message(limit_usd: float, reset: datetime) -> str:
    """Return the message that the budget of judges is spent."""
    return (
        f"the budget of judges, {limit_usd:g} USD a day, is spent: they are asked again from"
        f" {_written(reset)} on, and evaluations are skipped until then; raise"
        " spec.evals.budget.usdPerDay, or lower spec.evals.sampling.extendedRate"
    )


def reset_of(message: str) -> datetime | None:
    """Return when the next budget begins; None for a message about something else."""
    found = _RESET.search(message)
    try:
        return datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def retry_after(message: str, now: datetime | None = None) -> dict[str, str]:
    """Return the header that tells a client when to try again (RFC 9110, 10.2.3), if it is known.

    `now` is a time with a zone, by default the present.
    """
    reset = reset_of(message)
    if reset is None or reset.tzinfo is None:
        return {}
    seconds = (reset - (now or datetime.now(UTC))).total_seconds()
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
