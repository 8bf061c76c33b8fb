"""Semantic versions in their order of precedence."""

from typing import TypeAlias

Precedence: TypeAlias = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def same(one: str, other: str) -> bool:
    """Whether two versions are the same, however they are written."""
    return one.removeprefix("v") == other.removeprefix("v")


def precedence(version: str) -> Precedence:
    """Return a sort key: greater is newer, and a release is newer than its pre-releases."""
    core, _, pre = version.removeprefix("v").split("+")[0].partition("-")
    major, minor, patch = (int(part) for part in core.split("."))
    return (major, minor, patch), not pre, tuple(_identifier(each) for each in pre.split("."))


def _identifier(text: str) -> tuple[bool, int, str]:
    # Numbers come before words, and compare as numbers.
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)
