"""Placeholders that `omnia import` writes: values that a person has to fill in."""

import re
from collections.abc import Iterator
from typing import Any

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document, lines_of
from omnia_core.documents import ValuePath

STILL = "this is still a placeholder"
_PLACEHOLDER = re.compile(r"(?:\A|[^\w.-])replace-me(?:\.example\.invalid\b|(?![\w.-]))")
_WHAT = re.compile(r"#\s*asked:\s*(.*)")


def is_placeholder(text: str) -> bool:
    """Whether a text still has a placeholder in it."""
    return "replace-me" in text and bool(_PLACEHOLDER.search(text))


def placeholders(document: Document) -> Iterator[Finding]:
    """Yield an error for each value that is still to be filled in, with what belongs there."""
    for path, text in _texts(document.value, ()):
        if not is_placeholder(text):
            continue
        lines = lines_of(document.file)
        line = document.line(path) or 0
        found = _WHAT.search(lines[line - 1]) if 0 < line <= len(lines) else None
        what = f"write {found[1].strip()}" if found else "write the value that belongs here"
        yield about(document, path, f"{STILL}, {_shown(text)}: {what}", "error")


def _texts(value: Any, path: ValuePath) -> Iterator[tuple[ValuePath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))


def _shown(text: str) -> str:
    return text if len(text) <= 60 and "\n" not in text else "replace-me"  # noqa: PLR2004
