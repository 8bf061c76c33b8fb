"""Finds personal data in a streamed text.

Personal data are e-mail addresses, US social security numbers and payment card numbers. Every
pattern is bounded, so only the end of the text has to be held back and examined again.
"""

import re
from collections.abc import Container, Iterator

from omnia_core.files.validators import PERSONAL_DATA
from omnia_runtime.validators.checks import TextViolation

_LOCAL, _LABEL, _LABELS = 64, 63, 8
_LONGEST_ADDRESS = _LOCAL + 1 + _LABELS * (_LABEL + 1) + 1
_LONGEST_NUMBER = 23  # 19 digits in five groups
_CONTEXT = 2  # characters that a number's pattern examines before the number

_ADDRESS_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-@"
_NUMBER_CHARACTERS = "0123456789 -"

# The shortest match decides, so that the result does not depend on the pieces of the text.
_ADDRESS = re.compile(
    rf"[A-Za-z0-9._%+-]@(?:[A-Za-z0-9-]{{1,{_LABEL}}}\.){{1,{_LABELS}}}?[A-Za-z]{{2}}"
)
_MANY_DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){8}")


def _number_pattern(pattern: str) -> re.Pattern[str]:
    """Return a pattern that excludes digits around it and a decimal point before it.

    Matches may overlap.
    """
    return re.compile(rf"(?<![0-9])(?<![0-9]\.)(?=({pattern})(?![0-9]))")


_SSN = _number_pattern("[0-9]{3}-[0-9]{2}-[0-9]{4}")
_CARDS = tuple(
    _number_pattern(pattern)
    for pattern in (
        "[0-9]{13,19}",
        "[0-9]{4}([ -])[0-9]{4}\\2[0-9]{4}\\2[0-9]{4}",
        "[0-9]{4}([ -])[0-9]{4}\\2[0-9]{4}\\2[0-9]{4}\\2[0-9]{3}",
        "[0-9]{4}([ -])[0-9]{6}\\2[0-9]{4,5}",
    )
)


class PersonalDataCheck:
    """Checks one text for personal data of these kinds."""

    def __init__(self, kinds: Container[str] = PERSONAL_DATA) -> None:
        self.safe = 0
        self._finds_addresses = "email" in kinds
        self._numbers = [number for number in _NUMBERS if number[0] in kinds]
        self._window = ""  # the text that is held, and its context
        self._begin = 0  # the position of the window

    def feed(self, text: str) -> TextViolation | None:
        """Add a piece of the text; return the first violation."""
        window = self._window + text
        found = min(self._find(window, ended=False), default=None)
        if found is not None:
            return TextViolation(self._begin + found[0], found[1])
        held = min(_address_tail(window), _number_tail(window))
        self.safe = self._begin + held
        forgotten = max(0, held - _CONTEXT)
        self._window, self._begin = window[forgotten:], self._begin + forgotten
        return None

    def end(self) -> str | None:
        """Return the detail of a violation that the end of the text completes."""
        return next((detail for _, detail in self._find(self._window, ended=True)), None)

    def _find(self, window: str, *, ended: bool) -> Iterator[tuple[int, str]]:
        """Yield the violations: the position in the window that makes each certain, its detail."""
        address = _ADDRESS.search(window) if self._finds_addresses else None
        if address:
            yield address.end(), "it contains an e-mail address"
        if not _MANY_DIGITS.search(window):
            return
        # A number that begins in the context was checked when the whole context was there.
        first = _CONTEXT if self._begin else 0
        for _, pattern, detail in self._numbers:
            for match in pattern.finditer(window, first):
                end = match.end(1)
                if (ended or end < len(window)) and _is_valid(match[1], detail):
                    yield end + 1, detail


_SSN_DETAIL = "it contains a US social security number"
_CARD_DETAIL = "it contains a payment card number"
_NUMBERS = (
    ("ssn", _SSN, _SSN_DETAIL),
    *(("credit_card", pattern, _CARD_DETAIL) for pattern in _CARDS),
)


def _is_valid(number: str, detail: str) -> bool:
    return detail == _SSN_DETAIL or passes_luhn(number)


def passes_luhn(number: str) -> bool:
    """Whether the check digit of a card number is correct (ISO/IEC 7812-1); ignores separators."""
    digits = [int(char) for char in reversed(number) if char.isdigit()]
    doubled = (digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(sum(divmod(product, 10)) for product in doubled)) % 10 == 0


def _address_tail(window: str) -> int:
    """Return the start of the end of the window that may become an address."""
    begin = len(window.rstrip(_ADDRESS_CHARACTERS))
    at = window.find("@", begin)
    end = len(window)
    return max(begin, end - _LOCAL) if at < 0 else max(begin, at - _LOCAL, end - _LONGEST_ADDRESS)


def _number_tail(window: str) -> int:
    """Return the start of the end of the window that may become a number."""
    begin = len(window.rstrip(_NUMBER_CHARACTERS))
    run = window[begin:]
    return max(begin + len(run) - len(run.lstrip(" -")), len(window) - _LONGEST_NUMBER)
