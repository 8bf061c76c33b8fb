"""Where a text may be cut without breaking a character as people see it.

The rules of UAX 29 (unicode.org/reports/tr29) for marks, joiners, emoji modifiers, flags, Hangul
syllables and line ends; the rule for conjuncts of Indic scripts is left out.
"""

from unicodedata import category

LONGEST = 32  # code points that are looked at

_JOINER = "\u200d"
_MARKS = ("Mn", "Mc", "Me")


def cut_before(text: str, limit: int) -> int:
    """Return the last place from `limit` down at which `text`, which is longer, may be cut.

    Only the last `LONGEST` code points before the limit are looked at; without a place among them
    it is `limit`.
    """
    lowest = max(limit - LONGEST, 0)
    for place in range(limit, lowest, -1):
        if _may_cut(text, place, lowest):
            return place
    return limit


def _may_cut(text: str, place: int, lowest: int) -> bool:
    before, after = text[place - 1], text[place]
    if _extends(after) or before == _JOINER or (before, after) == ("\r", "\n"):
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        begin = place
        while begin > lowest and _is_flag_half(text[begin - 1]):
            begin -= 1
        return (place - begin) % 2 == 0
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
