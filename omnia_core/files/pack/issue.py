"""What is wrong with a pack, and where."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

Place: TypeAlias = tuple[str | int, ...]


class Issue(Struct, frozen=True):
    """One thing that is wrong, or looks wrong.

    Attributes:
        place: keys and indices from the pack's root.
        severity: a pack with an error cannot be used.
    """

    place: Place
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{written(self.place)}: {self.message}"


def written(place: Place) -> str:
    """Write a place as `prompts.main.tools[0]`; "(root)" for the pack itself."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place)
    return text.removeprefix(".") or "(root)"


def warning(place: Place, message: str) -> Issue:
    """Return an issue that forbids nothing."""
    return Issue(place, message, "warning")


def unknown(what: str, name: str, there: Iterable[str]) -> str:
    """Say that there is no such name, and which is meant."""
    import difflib  # noqa: PLC0415 - only a pack with a wrong name pays for it

    near = difflib.get_close_matches(name, list(there), n=1)
    meant = f'; did you mean "{near[0]}"?' if near else ""
    return f'there is no {what} "{name}" here{meant}'


def errors(issues: Iterable[Issue]) -> list[Issue]:
    """Return those with which a pack cannot be used."""
    return [issue for issue in issues if issue.severity == "error"]
