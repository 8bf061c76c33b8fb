"""Names in messages about documents: those that there are, and the one that was meant.

A stranger's document may have as many wrong names as right ones. So a message repeats a few of
them, and a search looks at a bounded part.
"""

from collections.abc import Collection
from itertools import islice

from omnia_core.errors import abridged

MAX_FINDINGS = 100
"""Findings about one document that are worth a message each; the others are counted."""

_LISTED = 10
_LONGEST = 64
_COMPARED = 1000


def listed(names: Collection[str]) -> str:
    """Return names with commas, shortened: the first ten, and the number of the others."""
    more = len(names) - _LISTED
    shown = ", ".join(abridged(name) for name in islice(names, _LISTED))
    return shown + (f" and {more} more" if more > 0 else "")


def most_similar(name: str, known: Collection[str], *, cutoff: float = 0.6) -> str:
    """Return the known name that is most like a wrong one; "" if none is.

    Args:
        name: the wrong name; nothing is like one of more than 64 characters.
        known: the first 1,000 are compared.
        cutoff: the least similarity, from 0 to 1, as of `difflib`.
    """
    if len(name) > _LONGEST:
        return ""
    import difflib  # noqa: PLC0415 - needed only for a wrong name

    compared = [each for each in islice(known, _COMPARED) if len(each) <= _LONGEST]
    return next(iter(difflib.get_close_matches(name, compared, n=1, cutoff=cutoff)), "")
