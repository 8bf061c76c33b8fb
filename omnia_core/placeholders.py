"""Placeholders: `{{customer.name}}`, a path through JSON values."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from omnia_core.errors import ConfigurationError

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(rf"{NAME}(?:\.(?:{NAME}|[0-9]+)|\[[0-9]+\])*")
_STEP = re.compile(rf"({NAME})|\[?([0-9]+)\]?")

MISSING = object()
"""What a path that leads nowhere finds."""

SUPPORTED = (
    "expected a name such as {{customer}}, {{customer.name}} or {{items[0].title}}; there are no "
    "conditionals, loops or filters (text with braces can stand in a variable's default)"
)
"""What templates may hold, for error messages."""


class Path(Struct, frozen=True):
    """A placeholder: where in the values, and how it was written."""

    steps: tuple[str | int, ...]
    source: str

    @property
    def root(self) -> str:
        """The variable that the path begins at."""
        return str(self.steps[0])


class TemplateInvalid(ConfigurationError):
    """A template that does not compile.

    Attributes:
        problem: the message without the place.
    """

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"{what}: {problem}")
        self.problem = problem


def read_path(inner: str, what: str) -> Path:
    """Read what stands between the braces.

    Raises:
        TemplateInvalid: it is no path; `what` says where.
    """
    if not _PATH.fullmatch(inner):
        raise TemplateInvalid(what, f"{{{{{inner}}}}} is no placeholder; {SUPPORTED}")
    steps = tuple(name or int(index) for name, index in _STEP.findall(inner))
    return Path(steps, inner)


def lookup(steps: tuple[str | int, ...], values: Any, absent: Any = MISSING) -> Any:
    """Follow a path through JSON values; `absent` where it leads nowhere."""
    for step in steps:
        if isinstance(values, Mapping):
            values = values.get(str(step), MISSING)
        elif isinstance(values, list) and isinstance(step, int) and step < len(values):
            values = values[step]
        else:
            return absent
        if values is MISSING:
            return absent
    return values


def is_placeholder(text: str) -> bool:
    """Whether a text is one placeholder of the supported syntax, such as `{{variable}}`."""
    match = PLACEHOLDER.fullmatch(text.strip())
    return match is not None and _PATH.fullmatch(match[1].strip()) is not None


def parse_path(text: str, what: str) -> tuple[str | int, ...]:
    """Read a dotted path.

    Raises:
        ConfigurationError: it is none.
    """
    return read_path(text.strip(), what).steps
