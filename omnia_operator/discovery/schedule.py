"""When a server is asked again."""

INTERVAL = 60.0
FIRST_RETRY = 5.0
LONGEST_RETRY = 300.0
_SPREAD = 0.25


def wait(failures: int, spread: float, interval: float = INTERVAL) -> float:
    """Return the seconds until a server is asked again.

    Args:
        failures: how often in a row it was asked in vain.
        spread: at random from 0 to 1, so that not all are asked at once: shortens by a quarter.
        interval: the wait while all is well.
    """
    # The exponent is bounded because 2 ** 10000 is no float.
    backoff = FIRST_RETRY * 2 ** min(failures - 1, 16) if failures else interval
    longest = max(LONGEST_RETRY, interval) if not failures else LONGEST_RETRY
    return min(backoff, longest) * (1 - _SPREAD * spread)
