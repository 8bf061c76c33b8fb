"""Upper and lower case made the same, one character for one."""

from functools import lru_cache


def fold(text: str) -> str:
    """Return `text` without case and as long as before: positions stay what they are."""
    if text.isascii():
        return text.lower()
    return "".join(map(_fold, text))


@lru_cache(maxsize=4096)
def _fold(char: str) -> str:
    # "ß" would become "ss"
    return next((each for each in (char.casefold(), char.lower()) if len(each) == 1), char)
