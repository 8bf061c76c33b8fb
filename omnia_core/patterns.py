"""Regular expressions of packs, matched by RE2 in time linear in the text."""

from typing import Protocol


class Pattern(Protocol):
    """A compiled pattern; texts are UTF-8 bytes."""

    def search(self, text: bytes) -> object | None:
        """Return the first match anywhere in the text, or None."""


class PatternInvalid(ValueError):
    """RE2 refuses a pattern; the message says why."""


def compile_pattern(pattern: str) -> Pattern:
    """Compile a pattern in RE2's syntax (github.com/google/re2/wiki/Syntax).

    Raises:
        PatternInvalid: RE2 refuses it: look-around, back-references, wrong syntax.
    """
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - loaded with the first pattern

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        raise PatternInvalid(_reason(error)) from error
    except UnicodeEncodeError as error:
        raise PatternInvalid("it contains half of a surrogate pair") from error
    return compiled


def finds(pattern: Pattern, text: str) -> bool:
    """Whether the pattern matches anywhere in `text`."""
    # JSON may contain half of a surrogate pair, which UTF-8 cannot encode.
    return pattern.search(text.encode("utf-8", "replace")) is not None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
