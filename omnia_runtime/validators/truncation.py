"""An answer that ends where it becomes too long."""

from unicodedata import category


class Cutter:
    """Passes a text on up to `limit` characters.

    The last `LONGEST` characters before the limit wait until it is known whether more follows: a
    cut may have to fall before the limit to leave a character whole.

    Attributes:
        cut: whether the text was longer.
    """

    def __init__(self, limit: int) -> None:
        self.cut = False
        self._room = limit
        self._waiting = ""

    def feed(self, text: str) -> str:
        """Take in more of the text; return what is passed on."""
        if self.cut:
            return ""
        text = self._waiting + text
        if len(text) > self._room:
            self.cut, self._waiting = True, ""
            return text[: cut_before(text, self._room)]
        passed = text[: max(0, self._room - LONGEST)]
        self._waiting = text[len(passed) :]
        self._room -= len(passed)
        return passed

    def end(self) -> str:
        """Return what has waited."""
        waiting, self._waiting = self._waiting, ""
        return waiting


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
