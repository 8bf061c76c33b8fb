"""Names of our objects from the names of theirs."""

import hashlib
import re
from typing import Protocol

from omnia_cli.importing.notes import NoteKind

_LONGEST_LABEL = 63
_LONGEST_NAME = 253
_HASH = 6


class _Noted(Protocol):
    def note(self, kind: NoteKind, message: str) -> None: ...


def label(name: str, *, letter: bool = False) -> str:
    """Return a DNS label like a name; with `letter` it begins with a letter, as a Service does."""
    text = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "unnamed"
    if letter and not text[0].isalpha():
        text = f"a-{text}"
    return _cut(text, name, _LONGEST_LABEL)


def object_name(name: str) -> str:
    """Return a name of an object like a name."""
    text = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "unnamed"
    return _cut(text, name, _LONGEST_NAME)


def agent_name(source: _Noted, name: str) -> str:
    """Return the name of an AgentRuntime, and say when it differs from theirs."""
    ours = label(name, letter=True)
    if ours != name:
        source.note(
            NoteKind.CHANGED,
            f"the name is {ours}: a Service has at most 63 lower-case letters, digits and hyphens"
            " and begins with a letter",
        )
    return ours


def tool_name(name: str) -> str:
    """Return a name for the model: lower-case letters, digits and underscores."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    text = re.sub(r"[^a-z0-9]+", "_", snake).strip("_") or "tool"
    return (text if text[0].isalpha() else f"tool_{text}")[:64].rstrip("_")


def key_name(name: str) -> str:
    """Return the key of a Secret or ConfigMap like a name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "value"


def distinct(name: str, taken: set[str]) -> str:
    """Return the name, or the next free one with a number; it is taken then."""
    found, number = name, 2
    while found in taken:
        end = f"-{number}"
        found, number = f"{name[: _LONGEST_LABEL - len(end)]}{end}", number + 1
    taken.add(found)
    return found


def _cut(text: str, name: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return f"{text[: longest - _HASH - 1].rstrip('-.')}-{digest}"
