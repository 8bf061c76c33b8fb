"""Personal data, found while a text comes in: e-mail addresses, US social security numbers, payment
card numbers.

Every pattern is bounded, so that only the end of the text has to be held back and looked at again.
"""

import re
from collections.abc import Iterator

from omnia_runtime.validators.checks import Finding

_LOCAL, _LABEL, _LABELS = 64, 63, 8
_LONGEST_ADDRESS = _LOCAL + 1 + _LABELS * (_LABEL + 1) + 1
_LONGEST_NUMBER = 23  # 19 digits in five groups
_CONTEXT = 2  # characters that a number's pattern sees before its beginning

_ADDRESS_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-@"
_NUMBER_CHARACTERS = "0123456789 -"

# The shortest end decides, so that it does not depend on how the text was split.
_ADDRESS = re.compile(
    rf"[A-Za-z0-9._%+-]@(?:[A-Za-z0-9-]{{1,{_LABEL}}}\.){{1,{_LABELS}}}?[A-Za-z]{{2}}"
)
_MANY_DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){8}")


def _number(pattern: str) -> re.Pattern[str]:
    """Neither more digits around it nor a decimal point before it; matches may overlap."""
    return re.compile(rf"(?<![0-9])(?<![0-9]\.)(?=({pattern})(?![0-9]))")


_SSN = _number("[0-9]{3}-[0-9]{2}-[0-9]{4}")
_CARDS = tuple(
    _number(pattern)
    for pattern in (
        "[0-9]{13,19}",
        "[0-9]{4}([ -])[0-9]{4}\\2[0-9]{4}\\2[0-9]{4}",
        "[0-9]{4}([ -])[0-9]{4}\\2[0-9]{4}\\2[0-9]{4}\\2[0-9]{3}",
        "[0-9]{4}([ -])[0-9]{6}\\2[0-9]{4,5}",
    )
)


class PersonalDataWatch:
    """Looks for personal data in one text."""

    def __init__(self) -> None:
        self.safe = 0
        self._window = ""  # what is held, and what stands before it
        self._begin = 0  # position of the window

    def feed(self, text: str) -> Finding | None:
        """Take in more of the text."""
        window = self._window + text
        found = min(self._found(window, ended=False), default=None)
        if found is not None:
            return Finding(self._begin + found[0], found[1])
        held = min(_address_tail(window), _number_tail(window))
        self.safe = self._begin + held
        forgotten = max(0, held - _CONTEXT)
        self._window, self._begin = window[forgotten:], self._begin + forgotten
        return None

    def end(self) -> str | None:
        """Return what the text ends with."""
        return next((detail for _, detail in self._found(self._window, ended=True)), None)

    def _found(self, window: str, *, ended: bool) -> Iterator[tuple[int, str]]:
        """Yield violations: the position in the window that decides, and the detail."""
        address = _ADDRESS.search(window)
        if address:
            yield address.end(), "it contains an e-mail address"
        if not _MANY_DIGITS.search(window):
            return
        # What begins within the context was decided when more of it was there.
        first = _CONTEXT if self._begin else 0
        for pattern, detail in _NUMBERS:
            for match in pattern.finditer(window, first):
                end = match.end(1)
                if (ended or end < len(window)) and _holds(match[1], detail):
                    yield end + 1, detail


_SSN_DETAIL = "it contains a US social security number"
_CARD_DETAIL = "it contains a payment card number"
_NUMBERS = ((_SSN, _SSN_DETAIL), *((pattern, _CARD_DETAIL) for pattern in _CARDS))


def _holds(number: str, detail: str) -> bool:
    return detail == _SSN_DETAIL or passes_luhn(number)


def passes_luhn(number: str) -> bool:
    """Whether the check digit of a card number fits (ISO/IEC 7812-1); separators are left out."""
    digits = [int(char) for char in reversed(number) if char.isdigit()]
    doubled = (digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(sum(divmod(each, 10)) for each in doubled)) % 10 == 0


def _address_tail(window: str) -> int:
    """Return where the end of the window begins that may become an address."""
    begin = len(window.rstrip(_ADDRESS_CHARACTERS))
    at = window.find("@", begin)
    end = len(window)
    return max(begin, end - _LOCAL) if at < 0 else max(begin, at - _LOCAL, end - _LONGEST_ADDRESS)


def _number_tail(window: str) -> int:
    """Return where the end of the window begins that may become a number."""
    begin = len(window.rstrip(_NUMBER_CHARACTERS))
    run = window[begin:]
    return max(begin + len(run) - len(run.lstrip(" -")), len(window) - _LONGEST_NUMBER)
