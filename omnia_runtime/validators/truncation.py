"""Cuts a streamed text at a maximal length, without splitting a grapheme cluster.

Implements the rules of UAX 29 (unicode.org/reports/tr29) for marks, joiners, emoji modifiers,
flags, Hangul syllables and line ends; not the rule for conjuncts of Indic scripts.
"""

from unicodedata import category

LOOK_BACK = 32  # code points

_JOINER = "\u200d"
_MARKS = ("Mn", "Mc", "Me")


class TextTruncator:
    """Passes a text on up to `limit` characters.

    The last `LOOK_BACK` characters before the limit are held until it is known whether more text
    follows: the cut may have to be before the limit.

    Attributes:
        cut: whether the text was longer.
    """

    def __init__(self, limit: int) -> None:
        self.cut = False
        self._left = limit
        self._held = ""

    def feed(self, text: str) -> str:
        """Add a piece of the text; return the text that is passed on."""
        if self.cut:
            return ""
        text = self._held + text
        if len(text) > self._left:
            self.cut, self._held = True, ""
            return text[: last_boundary(text, self._left)]
        passed = text[: max(0, self._left - LOOK_BACK)]
        self._held = text[len(passed) :]
        self._left -= len(passed)
        return passed

    def end(self) -> str:
        """Return the text that is still held."""
        held, self._held = self._held, ""
        return held


def last_boundary(text: str, limit: int) -> int:
    """Return the last grapheme boundary at or before `limit`; `text` must be longer.

    Only the last `LOOK_BACK` code points before the limit are examined; without a boundary among
    them the result is `limit`.
    """
    lowest = max(limit - LOOK_BACK, 0)
    for place in range(limit, lowest, -1):
        if _is_boundary(text, place, lowest):
            return place
    return limit


def _is_boundary(text: str, place: int, lowest: int) -> bool:
    before, after = text[place - 1], text[place]
    if _extends(after) or before == _JOINER or (before, after) == ("\r", "\n"):
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        start = place
        while start > lowest and _is_flag_half(text[start - 1]):
            start -= 1
        return (place - start) % 2 == 0
    return True


def _extends(char: str) -> bool:
    """Whether a code point belongs to the one before it."""
    return (
        char == _JOINER
        or category(char) in _MARKS
        or "\u1160" <= char <= "\u11ff"  # vowels and finals of Hangul syllables
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags of regional flags
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
