"""Explains in plain words what is wrong with a resource."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

from omnia_core.errors import abridged
from omnia_core.suggestions import MAX_FINDINGS, most_similar
from omnia_operator.api import model

Path = tuple[str | int, ...]


class Severity(StrEnum):
    """Whether a resource can be used despite a finding."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class ResourceFinding:
    """Something that the author of a resource should know."""

    path: Path
    """Field names and list indexes from the document's root."""
    message: str
    severity: Severity = Severity.ERROR


class InvalidResource(ValueError):
    """A resource that cannot be used."""

    def __init__(self, findings: list[ResourceFinding]) -> None:
        super().__init__(
            "; ".join(f"{dotted(finding.path)}: {finding.message}" for finding in findings)
        )
        self.findings = findings


def dotted(path: Path) -> str:
    """Return a path with dots: `spec.handlers[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{abridged(step)}" for step in path)
    return text.removeprefix(".")


def explain_all(
    error: ValidationError, schema: Mapping[str, Any], old: Mapping[str, str]
) -> list[ResourceFinding]:
    """Return a finding for each error of pydantic: the first of them, and how many others.

    Pydantic reports a value of a union type twice, and a list that is too short also where only its
    entries have errors: both are left out.

    Args:
        error: the errors.
        schema: the existing names.
        old: where the content of former fields belongs.
    """
    details = [each for each in error.errors(include_url=False) if not _caused(each)]
    found: dict[ResourceFinding, None] = {}
    for index, detail in enumerate(details):
        if len(found) == MAX_FINDINGS:
            return [*found, _more(len(details) - index, Severity.ERROR)]
        found[explain(detail, schema, old)] = None
    return list(found)


def first(findings: Iterable[ResourceFinding]) -> list[ResourceFinding]:
    """Return the first findings of any number, and how many others there are."""
    every = iter(findings)
    found = list(islice(every, MAX_FINDINGS))
    more = sum(1 for _ in every)
    return [*found, _more(more, found[-1].severity)] if more else found


def _more(count: int, severity: Severity) -> ResourceFinding:
    return ResourceFinding((), f"there are {count} more {severity}s: mend these first", severity)


def _caused(detail: ErrorDetails) -> bool:
    """Whether an error is only the consequence of others: pydantic counts the valid entries."""
    entries, least = detail["input"], detail.get("ctx", {}).get("min_length", 0)
    return detail["type"] == "too_short" and isinstance(entries, list) and len(entries) >= least


def explain(
    error: ErrorDetails, schema: Mapping[str, Any], old: Mapping[str, str]
) -> ResourceFinding:
    """Return the finding for an error of pydantic.

    `schema` has the existing names; `old` says where the content of former fields belongs.
    """
    path = tuple(error["loc"])
    kind, found = error["type"], error["input"]
    if kind == "extra_forbidden":
        moved = old.get(".".join(step for step in path if isinstance(step, str)))
        wrong = f"unknown field {abridged(str(path[-1]))}"
        return ResourceFinding(path, f"{wrong}{f'; {moved}' if moved else _meant(path, schema)}")
    if kind == "missing":
        return ResourceFinding(path, f"the field {path[-1]} is missing: add it")
    words = _WORDS.get(kind)
    if words is None:
        expected = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        return ResourceFinding(path, abridged(expected, _MESSAGE))
    return ResourceFinding(path, words(error.get("ctx", {}), found))


def one_of(known: list[str], found: object) -> str:
    """Return a message with the allowed values and the most similar one."""
    expected = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
    return f"expected {expected}, found {show(found)}{suggestion(found, known)}"


def suggestion(found: object, known: list[str]) -> str:
    """Return the end of a sentence with the most similar word, or ""."""
    if not isinstance(found, str):
        return ""
    # Compared without case, because a wrong capital is the most common mistake.
    lower = {word.lower(): word for word in known}
    text = found.lower()
    # A word that was left unfinished is further away than a misspelt one.
    begun = [word for word in lower if text and word.startswith(text)]
    close = begun[0] if len(begun) == 1 else most_similar(text, lower)
    return f"; did you mean {lower[close]}?" if close else ""


def show(value: object) -> str:
    """Return a value for a message, shortened."""
    if value is None:
        return "nothing"
    text = ""
    # Piece by piece: the value may be a whole document.
    for piece in _JSON.iterencode(value):
        text += piece
        if len(text) > _SHOWN:
            return f"{text[:_SHOWN]}…"
    return text


_SHOWN = 60
_MESSAGE = 1000
_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


def _meant(path: Path, schema: Mapping[str, Any]) -> str:
    """Return the end of a sentence about an unknown field, with what may have been meant."""
    *_, node = _nodes(path[:-1], schema)
    known = sorted(node.get("properties", {}))
    spelled = model.field_name(str(path[-1]))
    if spelled in known:
        return f"; did you mean {spelled}?"
    if spelled in _KEYS and "secretRef" in known:
        return "; a key is never in a manifest: name a Secret with it in secretRef"
    # A field of this very name is meant rather than one of a similar name.
    if elsewhere := _elsewhere(path, spelled, schema):
        return f"; it belongs below {elsewhere}"
    near = suggestion(path[-1], known)
    return near or f"; the fields here are {', '.join(known)}"


# What people call the key of a vendor.
_KEYS = ("apiKey", "apikey", "api_key", "key", "token")


def _elsewhere(path: Path, name: str, schema: Mapping[str, Any]) -> str:
    """Return the blocks one level below or above that have a field of this name, or ""."""
    *_, above, here = [None, *_nodes(path[:-1], schema)]
    within = path[:-1]
    found = [
        dotted((*within, child))
        for child, node in (here or {}).get("properties", {}).items()
        if name in node.get("properties", {})
    ]
    if not found and above and within[:-1] and name in above.get("properties", {}):
        found = [dotted(within[:-1])]
    return " or ".join(found)


def _nodes(path: Path, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schema of the root, and that of each step of a path."""
    node: Mapping[str, Any] = schema
    yield node
    for step in path:
        fields = node.get("properties", {})
        node = node.get("items", {}) if isinstance(step, int) else fields.get(step, {})
        yield node


def _expected(what: str) -> Callable[[Mapping[str, Any], object], str]:
    return lambda _, found: f"expected {what}, found {show(found)}"


def _number(what: str) -> Callable[[Mapping[str, Any], object], str]:
    def say(_: Mapping[str, Any], found: object) -> str:
        remedy = ""
        if found is None:
            remedy = ": write it after the colon, or delete the line"
        elif isinstance(found, str) and _NUMBER.fullmatch(found):
            remedy = ": remove the quotes"
        return f"expected {what}, found {show(found)}{remedy}"

    return say


_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


def _object(_: Mapping[str, Any], found: object) -> str:
    remedy = ": write its fields below it, indented"
    if isinstance(found, list):
        remedy += " and without hyphens"
    return f"expected an object, found {show(found)}{remedy}"


def _list(_: Mapping[str, Any], found: object) -> str:
    remedy = ": write its entries below it, each behind a hyphen"
    return f"expected a list, found {show(found)}{remedy}"


def _text(_: Mapping[str, Any], found: object) -> str:
    quoted = isinstance(found, (int, float)) and not isinstance(found, bool)
    return f"expected a string, found {show(found)}" + (
        f': put it in quotes, "{found}"' if quoted else ""
    )


def _pattern(context: Mapping[str, Any], found: object) -> str:
    pattern = context["pattern"]
    expected = _PATTERNS.get(pattern, f"text that matches {pattern}")
    return f"expected {expected}, found {show(found)}{_spelled(str(found), pattern)}"


def _spelled(found: str, pattern: str) -> str:
    """Return the end of a sentence with a name as the pattern allows it, or ""."""
    separator = {model.DNS_LABEL: "-", model.DNS_SUBDOMAIN: "-", model.TOOL_NAME: "_"}.get(pattern)
    if separator is None:
        return ""
    kept = "." if pattern == model.DNS_SUBDOMAIN else ""
    name = re.sub(rf"[^a-z0-9{kept}]+", separator, found.lower()).strip("-._")
    return f'; write "{name}"' if re.search(pattern, name) else ""


def _bound(word: str, key: str) -> Callable[[Mapping[str, Any], object], str]:
    def say(context: Mapping[str, Any], found: object) -> str:
        limit = context[key]
        whole = int(limit) if limit == int(limit) else limit
        return f"expected {word} {whole}, found {show(found)}"

    return say


def _count(
    word: str, key: str, unit: tuple[str, str]
) -> Callable[[Mapping[str, Any], object], str]:
    def say(context: Mapping[str, Any], found: object) -> str:
        size = len(found) if isinstance(found, (str, list, dict)) else 0
        most = context[key]
        noun = unit[most == 1]
        return f"expected {word} {most} {noun}, found {size}"

    return say


_PATTERNS = {
    model.DNS_LABEL: "lower-case letters, digits and hyphens",
    model.DNS_SUBDOMAIN: "lower-case letters, digits, hyphens and dots",
    model.SEMANTIC_VERSION: 'a semantic version such as "1.0.0"',
    model.TOOL_NAME: "lower-case letters, digits and underscores that begin with a letter",
    model.HTTP_URL: "an address that begins with http:// or https://",
    model.ABSOLUTE_PATH: "a path that begins with /",
}

# Nouns by whether they are of one thing.
_CHARACTERS = ("characters", "character")
_ENTRIES = ("entries", "entry")

_WORDS: dict[str, Callable[[Mapping[str, Any], object], str]] = {
    "string_type": _text,
    "int_type": _number("a whole number"),
    "int_from_float": _number("a whole number"),
    "float_type": _number("a number"),
    "bool_type": _expected("true or false"),
    "dict_type": _object,
    "dataclass_type": _object,
    "model_type": _object,
    "model_attributes_type": _object,
    "tuple_type": _list,
    "list_type": _list,
    "enum": lambda context, found: one_of(_choices(context["expected"]), found),
    "string_pattern_mismatch": _pattern,
    "string_too_short": _count("at least", "min_length", _CHARACTERS),
    "string_too_long": _count("at most", "max_length", _CHARACTERS),
    "too_short": _count("at least", "min_length", _ENTRIES),
    "too_long": _count("at most", "max_length", _ENTRIES),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "greater_than": _bound("more than", "gt"),
    "less_than": _bound("less than", "lt"),
}


def _choices(expected: str) -> list[str]:
    """Split pydantic's `'a', 'b' or 'c'`."""
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
