"""Regular expressions of packs, matched by RE2 in time linear in the text."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Protocol

# RE2 takes 16 bytes and up to a microsecond for each instruction of a compiled pattern.
MOST_INSTRUCTIONS = 2_000_000
"""Instructions of all patterns of a pack: 32 MB, and about two seconds."""

_TOO_LARGE = "pattern too large"
# RE2 gives up after so many instructions, which takes as long as a pattern of this size.
_LARGEST = 350_000
_CHARACTERS_PER_INSTRUCTION = 16


class Pattern(Protocol):
    """A compiled pattern; texts are UTF-8 bytes."""

    def search(self, text: bytes) -> object | None:
        """Return the first match anywhere in the text, or None."""


class PatternInvalid(ValueError):
    """RE2 refuses a pattern; the message says why."""


class PatternsTooLarge(ValueError):
    """The patterns of a pack together take too much memory and time."""

    def __init__(self) -> None:
        super().__init__(
            f"its patterns take more than {MOST_INSTRUCTIONS:,} instructions of RE2: lower their"
            " repetitions ({1,255} copies what it repeats 255 times), or remove some"
        )


def compile_pattern(pattern: str) -> Pattern:
    """Compile a pattern in RE2's syntax (github.com/google/re2/wiki/Syntax).

    Raises:
        PatternInvalid: RE2 refuses it: look-around, back-references, wrong syntax.
    """
    found = _compiled.get(pattern)
    if isinstance(found.pattern, str):
        raise PatternInvalid(found.pattern)
    return found.pattern


def check_size(patterns: Iterable[str]) -> None:
    """Check that patterns can be compiled together. Invalid ones are not reported here.

    Raises:
        PatternsTooLarge: the patterns after the limit are not compiled.
    """
    size = 0
    for pattern in dict.fromkeys(patterns):
        size += _compiled.get(pattern).size
        if size > MOST_INSTRUCTIONS:
            raise PatternsTooLarge


class _Compiled:
    __slots__ = ("pattern", "size")

    def __init__(self, pattern: Pattern | str, size: int) -> None:
        self.pattern = pattern
        """The compiled pattern, or why it is invalid."""
        self.size = size


class _Cache:
    """The last compiled patterns. RE2's own cache limits their number, not their memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[str, _Compiled] = OrderedDict()
        self._size = 0

    def get(self, pattern: str) -> _Compiled:
        with self._lock:
            found = self._found.get(pattern)
            if found is not None:
                self._found.move_to_end(pattern)
                return found
            found = self._found[pattern] = _compile(pattern)
            self._size += found.size
            while self._size > MOST_INSTRUCTIONS and len(self._found) > 1:
                self._size -= self._found.popitem(last=False)[1].size
            return found


_compiled = _Cache()


def _compile(pattern: str) -> _Compiled:
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - loaded with the first pattern

    options = re2.Options()
    options.log_errors = False
    text_size = 1 + len(pattern) // _CHARACTERS_PER_INSTRUCTION
    try:
        compiled: Any = re2.compile(pattern, options)
    except re2.error as error:
        reason = _reason(error)
        return _Compiled(reason, _LARGEST if _TOO_LARGE in reason else text_size)
    except UnicodeEncodeError:
        return _Compiled("it contains half of a surrogate pair", text_size)
    finally:
        re2.purge()
    return _Compiled(compiled, compiled.programsize + text_size)


def finds(pattern: Pattern, text: str) -> bool:
    """Whether the pattern matches anywhere in `text`."""
    # JSON may contain half of a surrogate pair, which UTF-8 cannot encode.
    return pattern.search(text.encode("utf-8", "replace")) is not None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
