"""Templates: compiled once to literals and paths, rendered in one pass.

A value is never scanned again: what a user or a tool writes is text, whatever it looks like.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from omnia_core.placeholders import (
    MISSING,
    NAME,
    PLACEHOLDER,
    SUPPORTED,
    Path,
    TemplateInvalid,
    lookup,
    read_path,
)

_LOGIC = re.compile(
    r"\{%[-+]?\s*(?:if|elif|else|for|set|block|include|import|from|extends|macro|call|filter|raw|with"
    r"|end[a-z]+)\b.*?%\}",
    re.DOTALL,
)
_FRAGMENT = re.compile(rf"fragments?\s*[:.]\s*({NAME}(?:-[A-Za-z0-9_]+)*)")

Part: TypeAlias = str | Path


class ValueMissing(ValueError):
    """A placeholder for which there is no value."""

    def __init__(self, path: Path) -> None:
        super().__init__(f'no value for "{path.source}"')
        self.path = path


class Template(Struct, frozen=True):
    """A compiled template."""

    parts: tuple[Part, ...]

    def paths(self) -> list[Path]:
        """Return the placeholders in their order."""
        return [part for part in self.parts if isinstance(part, Path)]

    def render(self, values: Mapping[str, Any], optional: Collection[str] = ()) -> str:
        """Put the values in. Strings stand as they are, everything else as JSON.

        A path that leads nowhere is empty where its variable is `optional`.

        Raises:
            ValueMissing: a path leads nowhere.
        """
        return "".join(
            part if isinstance(part, str) else _text(_resolve(part, values, optional))
            for part in self.parts
        )

    def value(self, values: Mapping[str, Any]) -> Any:
        """Render, but keep the type of the value where the template is one placeholder alone.

        Raises:
            ValueMissing: a path leads nowhere.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Path):
            return _resolve(self.parts[0], values, ())
        return self.render(values)


def compile_template(
    text: str,
    what: str,
    fragments: Mapping[str, str] | None = None,
    variables: Collection[str] = (),
) -> Template:
    """Compile a template, with the fragments that it names in place.

    A bare `{{name}}` is a fragment when there is one and no variable has that name.

    Raises:
        TemplateInvalid: `what` says where; a placeholder is malformed, a fragment is missing or
            contains itself, or there is logic such as `{% if %}`.
    """

    def expand(source: str, inside: tuple[str, ...]) -> list[Part]:
        if logic := _LOGIC.search(source):
            raise TemplateInvalid(what, f"{logic[0]} is not supported; {SUPPORTED}")
        parts: list[Part] = []
        position = 0
        for match in PLACEHOLDER.finditer(source):
            parts.append(source[position : match.start()])
            position = match.end()
            inner = match[1].strip()
            name = _fragment_name(inner, fragments or {}, variables)
            if name is None:
                parts.append(read_path(inner, what))
            else:
                _check(name, inside, fragments or {}, what)
                parts += expand((fragments or {})[name], (*inside, name))
        parts.append(source[position:])
        return parts

    return Template(_merged(expand(text, ())))


def _fragment_name(
    inner: str, fragments: Mapping[str, str], variables: Collection[str]
) -> str | None:
    if match := _FRAGMENT.fullmatch(inner):
        return None if match[0].split(".")[0] in variables else match[1]
    return inner if inner in fragments and inner not in variables else None


def _check(name: str, inside: tuple[str, ...], fragments: Mapping[str, str], what: str) -> None:
    if name in inside:
        raise TemplateInvalid(what, f"a fragment contains itself: {' > '.join([*inside, name])}")
    if name not in fragments:
        there = ", ".join(fragments) or "none"
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


def map_strings(value: Any, change: Callable[[str], Any]) -> Any:
    """Return a JSON value with each of its string leaves changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: map_strings(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [map_strings(each, change) for each in value]
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
