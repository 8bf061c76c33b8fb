"""Templates with placeholders such as `{{customer.name}}`.

A template is compiled once and rendered in one pass. Values are never expanded again, so text of a
user or a tool cannot inject placeholders.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.suggestions import listed

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(rf"{NAME}(?:\.(?:{NAME}|[0-9]+)|\[[0-9]+\])*")
_STEP = re.compile(rf"({NAME})|\[?([0-9]+)\]?")

MISSING = object()
"""The result of `lookup` for a path without a value."""

SUPPORTED = (
    "expected a name such as {{customer}}, {{customer.name}} or {{items[0].title}}; there are no "
    "conditionals, loops or filters (text with braces can stand in a variable's default)"
)
"""The supported syntax, for error messages."""

_LOGIC = re.compile(
    r"\{%[-+]?\s*(?:if|elif|else|for|set|block|include|import|from|extends|macro|call|filter|raw|with"
    r"|end[a-z]+)\b.*?%\}",
    re.DOTALL,
)
_FRAGMENT = re.compile(rf"fragments?\s*[:.]\s*({NAME}(?:-[A-Za-z0-9_]+)*)")


class Path(Struct, frozen=True):
    """A placeholder: its path in the values, and its source text."""

    steps: tuple[str | int, ...]
    source: str

    @property
    def root(self) -> str:
        """The variable at the beginning of the path."""
        return str(self.steps[0])


class TemplateInvalid(ConfigurationError):
    """A template that does not compile.

    Attributes:
        problem: the message without its place.
    """

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"{what}: {problem}")
        self.problem = problem


Part: TypeAlias = str | Path


class ValueMissing(ValueError):
    """A placeholder has no value."""

    def __init__(self, path: Path) -> None:
        super().__init__(f'no value for "{path.source}"')
        self.path = path


class Template(Struct, frozen=True):
    """A compiled template."""

    parts: tuple[Part, ...]

    def paths(self) -> list[Path]:
        """Return the placeholders, in order."""
        return [part for part in self.parts if isinstance(part, Path)]

    @property
    def source(self) -> str:
        """Its text, with its fragments in place."""
        return "".join(
            part if isinstance(part, str) else f"{{{{{part.source}}}}}" for part in self.parts
        )

    def render(self, values: Mapping[str, Any], optional: Collection[str] = ()) -> str:
        """Replace the placeholders: strings as they are, other values as JSON.

        A placeholder without a value becomes empty if its variable is `optional`.

        Raises:
            ValueMissing: a placeholder has no value.
        """
        return "".join(
            part if isinstance(part, str) else _text(_resolve(part, values, optional))
            for part in self.parts
        )

    def value(self, values: Mapping[str, Any]) -> Any:
        """Render; a template that is a single placeholder keeps the type of its value.

        Raises:
            ValueMissing: a placeholder has no value.
        """
        match self.parts:
            case (Path() as path,):
                return _resolve(path, values, ())
            case _:
                return self.render(values)


def compile_template(
    text: str,
    what: str,
    fragments: Mapping[str, str] | None = None,
    variables: Collection[str] = (),
) -> Template:
    """Compile a template; fragments are inserted.

    `{{name}}` is a fragment if there is one with this name and no such variable.

    Raises:
        TemplateInvalid: a placeholder is malformed, a fragment is missing or contains itself, or
            there is logic such as `{% if %}`; the message begins with `what`.
    """
    known = fragments or {}

    def expand(source: str, inside: tuple[str, ...]) -> list[Part]:
        if logic := _LOGIC.search(source):
            raise TemplateInvalid(what, f"{logic[0]} is not supported; {SUPPORTED}")
        parts: list[Part] = []
        position = 0
        for match in PLACEHOLDER.finditer(source):
            parts.append(source[position : match.start()])
            position = match.end()
            inner = match[1].strip()
            name = _fragment_name(inner, known, variables)
            if name is None:
                parts.append(read_path(inner, what))
            else:
                _check_fragment(name, inside, known, what)
                parts += expand(known[name], (*inside, name))
        parts.append(source[position:])
        return parts

    return Template(_merged(expand(text, ())))


def read_path(inner: str, what: str) -> Path:
    """Parse the text between the braces.

    Raises:
        TemplateInvalid: it is not a path; the message begins with `what`.
    """
    if not _PATH.fullmatch(inner):
        raise TemplateInvalid(what, f"{{{{{inner}}}}} is not a placeholder; {SUPPORTED}")
    steps = tuple(name or int(index) for name, index in _STEP.findall(inner))
    return Path(steps, inner)


def lookup(steps: tuple[str | int, ...], values: Any, absent: Any = MISSING) -> Any:
    """Return the value at a path in JSON values, or `absent`."""
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
    """Whether a text is exactly one placeholder, such as `{{variable}}`."""
    match = PLACEHOLDER.fullmatch(text.strip())
    return match is not None and _PATH.fullmatch(match[1].strip()) is not None


def parse_path(text: str, what: str) -> tuple[str | int, ...]:
    """Parse a dotted path.

    Raises:
        ConfigurationError: it is not a path; the message begins with `what`.
    """
    return read_path(text.strip(), what).steps


def _fragment_name(
    inner: str, fragments: Mapping[str, str], variables: Collection[str]
) -> str | None:
    if match := _FRAGMENT.fullmatch(inner):
        return None if match[0].split(".")[0] in variables else match[1]
    return inner if inner in fragments and inner not in variables else None


def _check_fragment(
    name: str, inside: tuple[str, ...], fragments: Mapping[str, str], what: str
) -> None:
    if name in inside:
        raise TemplateInvalid(what, f"a fragment contains itself: {' > '.join([*inside, name])}")
    if name not in fragments:
        there = listed(fragments) or "none"
        raise TemplateInvalid(what, f'there is no fragment "{name}"; the pack has: {there}')


def _merged(parts: list[Part]) -> tuple[Part, ...]:
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return tuple(merged)


def _resolve(path: Path, values: Mapping[str, Any], optional: Collection[str]) -> Any:
    found = lookup(path.steps, values)
    if found is not MISSING:
        return found
    if path.root in optional:
        return ""
    raise ValueMissing(path)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
