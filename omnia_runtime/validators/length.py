"""An answer that ends where it becomes too long."""

from omnia_runtime.validators.graphemes import LONGEST, cut_before


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
