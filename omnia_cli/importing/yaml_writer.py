"""YAML with comments: what is asked for stands at the line that has to be filled in."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from omnia_cli.importing.fields import Asked
from omnia_core.jsonvalue import JsonObject

_PLAIN = re.compile(r"[A-Za-z_/][\w ./()@+-]*(?::[\w./@+-]+)*\Z")
_WORDS = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null|~)\Z")
_LONGEST_COMMENT = 400


def render(value: JsonObject) -> str:
    """Return an object as YAML in block style."""
    return "\n".join(_mapping(value, "")) + "\n"


def comment(text: str, indent: str = "") -> str:
    """Return a text as one comment line."""
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return f"{indent}# {line[:_LONGEST_COMMENT]}"


def _mapping(value: JsonObject, indent: str) -> Iterator[str]:
    for key, inner in value.items():
        yield from _entry(f"{indent}{_scalar(key)}:", inner, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _mapping(value, indent + "  ")
    elif isinstance(value, list | tuple) and value:
        yield head
        for item in value:
            yield from _item(item, indent + "  ")
    elif isinstance(value, str) and "\n" in value and _fits_a_block(value):
        yield f"{head} |{'' if value.endswith(chr(10)) else '-'}"
        for line in value.removesuffix("\n").split("\n"):
            yield f"{indent}  {line}" if line else ""
    else:
        yield f"{head} {_scalar(value)}{_asked(value)}"


def _item(item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict) and item:
        lines = list(_mapping(item, indent + "  "))
        yield f"{indent}- {lines[0].strip()}" if lines else f"{indent}- {{}}"
        yield from lines[1:]
    elif isinstance(item, list | tuple) and item:
        yield f"{indent}-"
        for inner in item:
            yield from _item(inner, indent + "  ")
    else:
        yield f"{indent}- {_scalar(item)}{_asked(item)}"


def _fits_a_block(text: str) -> bool:
    lines = text.split("\n")
    printable = all(c.isprintable() or c in "\n\t" for c in text) and "\t" not in text[:1]
    return (
        printable
        and not text.startswith((" ", "\n"))
        and not text.endswith("\n\n")
        and not any(line != line.rstrip() for line in lines)
        and "\x85" not in text
        and "\ufeff" not in text
    )


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        text = str(value)
        if _PLAIN.match(text) and not _WORDS.match(text) and text == text.strip():
            return text
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    style = '"' if isinstance(value, str) else None
    written = yaml.safe_dump(value, default_style=style, allow_unicode=True, width=10**9)
    return str(written).removesuffix("...\n").strip()


def _asked(value: Any) -> str:
    return f"  {comment(f'asked: {value.what}')}" if isinstance(value, Asked) else ""
