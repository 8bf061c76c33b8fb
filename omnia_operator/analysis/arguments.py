"""Arguments in the texts of an analysis: `{{args.name}}` in a query, an address or a header.

A value is never read as a part of the language around it: inside a string of a query it is escaped,
outside it must be a word or a number, in an address it is percent-encoded, and so on.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from omnia_core.errors import abridged

BUILT_IN = ("agent", "namespace", "stable-version", "candidate-version", "step")
"""Arguments that every analysis has."""

NAME = r"^[A-Za-z0-9_]([-A-Za-z0-9_]*)$"

_PLACEHOLDER = re.compile(r"\{\{\s*args\.([A-Za-z0-9_-]+)\s*\}\}")
# The backslash would make a value's own escape a plain character.
_AFTER_BACKSLASH = re.compile(r"(?<!\\)(?:\\\\)*\\\{\{\s*args\.")
_OPENING = re.compile(r"\{\{")
_WORD = re.compile(r"[A-Za-z0-9_.:]+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_QUERY = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<double>"(?:[^"\\]|\\.)*("|$))|(?P<single>'(?:[^'\\]|\\.)*('|$))"""
    r"""|(?P<raw>`[^`]*(`|$))|(?P<plain>[^\#"'`]+|\\)""",
    re.DOTALL,
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "'": "\\'", "\n": "\\n", "\r": "\\r"}


class ArgumentInvalid(ValueError):
    """A value cannot stand where the text has its argument; the message is for people."""


def arguments_of(text: str) -> Iterator[str]:
    """Yield the names of the arguments in a text."""
    for found in _PLACEHOLDER.finditer(text):
        yield found[1]


def has_other_braces(text: str) -> bool:
    """Whether a text has `{{` that begins no argument."""
    return len(_OPENING.findall(text)) != len(_PLACEHOLDER.findall(text))


def in_query(query: str, arguments: Mapping[str, str]) -> str:
    """Return a query of Prometheus with its arguments.

    Raises:
        ArgumentInvalid: a value cannot stand at its place.
    """
    parts = []
    for found in _QUERY.finditer(query):
        part = found[0]
        if found["double"] or found["single"]:
            if _AFTER_BACKSLASH.search(part):
                raise ArgumentInvalid("the query has a \\ before an argument: remove it")
            parts.append(_replaced(part, arguments, _escaped))
        elif found["raw"]:
            parts.append(_replaced(part, arguments, _raw))
        elif found["comment"]:
            parts.append(_PLACEHOLDER.sub("", part))
        else:
            parts.append(_replaced(part, arguments, _word))
    return "".join(parts)


def in_address(address: str, arguments: Mapping[str, str]) -> str:
    """Return an address with its arguments.

    Raises:
        ArgumentInvalid: a value cannot stand at its place.
    """
    scheme, separator, rest = address.partition("://")
    end = min((rest.index(each) for each in "/?#" if each in rest), default=len(rest))
    host, path = rest[:end], rest[end:]
    return (
        scheme + separator + _replaced(host, arguments, _host) + _replaced(path, arguments, _path)
    )


def in_header(value: str, arguments: Mapping[str, str]) -> str:
    """Return the value of a header with its arguments.

    Raises:
        ArgumentInvalid: a value has characters that a header cannot have.
    """
    return _replaced(value, arguments, _printable)


def _replaced(text: str, arguments: Mapping[str, str], written: Callable[[str, str], str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in arguments:
            raise ArgumentInvalid(f"the argument {abridged(name)} has no value")
        return written(name, arguments[name])

    return _PLACEHOLDER.sub(value, text)


def _refused(name: str, value: str, expected: str) -> ArgumentInvalid:
    return ArgumentInvalid(
        f'the argument {abridged(name)} is "{abridged(value)}": expected {expected}'
    )


def _escaped(_: str, value: str) -> str:
    return "".join(_ESCAPES.get(each, each) for each in value)


def _raw(name: str, value: str) -> str:
    if "`" in value:
        raise _refused(name, value, "no ` can be escaped: only text without it")
    return value


def _word(name: str, value: str) -> str:
    if not _WORD.fullmatch(value):
        expected = "only letters, digits, _, . and : (put it in quotes for other text)"
        raise _refused(name, value, expected)
    return value


def _host(name: str, value: str) -> str:
    if not _HOST.fullmatch(value):
        raise _refused(name, value, "only a name of letters, digits, - and .")
    return value


def _path(name: str, value: str) -> str:
    if value in (".", ".."):
        raise _refused(name, value, "no folder of an address")
    return quote(value, safe="")


def _printable(name: str, value: str) -> str:
    if not value.isprintable() or not value.isascii():
        raise _refused(name, value, "only printable ASCII")
    return value
