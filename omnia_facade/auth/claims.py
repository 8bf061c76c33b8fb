"""Claims as text: what metadata can carry."""

from collections.abc import Iterable, Mapping
from typing import Any


def text_of(value: Any) -> str:
    """Return a claim's value as text: lists with commas, "" for what has no text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(filter(None, (text_of(each) for each in value)))
    return str(value) if isinstance(value, str | int | float) else ""


def find(claims: Mapping[str, Any], name: str | None) -> str:
    """Return a claim as text; a name with dots also finds what is inside of an object."""
    if name is None:
        return ""
    if name in claims:
        return text_of(claims[name])
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return text_of(value)


def chosen(claims: Mapping[str, Any], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return some of the claims as text; what is not there is left out."""
    found = ((name, find(claims, name)) for name in names)
    return tuple((name, value) for name, value in found if value)
