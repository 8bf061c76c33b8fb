"""Reads an OpenAPI document, and resolves its references."""

import re
from typing import Any
from urllib.parse import unquote

import msgspec
import yaml

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject

_LONGEST_CHAIN = 32
# A value takes up to 200 bytes of memory, and YAML aliases can expand a short text without limit.
_MOST_VALUES = 1_000_000
_SHORTEST_VALUE = 20
# The parser of YAML takes 100 times the memory of its text for a while.
_LONGEST_YAML = 5 * 1024 * 1024

# libyaml is orders of magnitude faster than the parser in Python.
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc] # libyaml's loader, where PyYAML was built with it
    """Reads the scalars of YAML 1.2's core schema, of which JSON has every value.

    In the older YAML 1.1 `no`, `1_000`, `010`, `12:30` and dates are not text. Merge keys (`<<`)
    are of 1.1 and stay, because documents use them.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's attribute


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _float(loader: Any, node: Any) -> float:
    return float(loader.construct_scalar(node))


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read_document(text: str, where: str) -> JsonObject:
    """Read JSON or YAML text; error messages begin with `where`.

    Raises:
        ConfigurationError: the text is not an OpenAPI 3 document.
    """
    try:
        document = _parsed(text)
    except _TooLarge as error:
        raise ConfigurationError(f"{where}: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{where}{line}: this is neither JSON nor YAML: the address of an OpenAPI document is"
            " needed"
        ) from error
    if not isinstance(document, dict) or not ("openapi" in document or "swagger" in document):
        raise ConfigurationError(
            f'{where}: there is no field "openapi": the address of an OpenAPI document is needed'
        )
    version = str(document.get("openapi", document.get("swagger")))
    if not version.startswith("3."):
        raise ConfigurationError(
            f"{where}: the document has version {version[:16]}: convert it to OpenAPI 3.0 or 3.1"
        )
    return document


def _parsed(text: str) -> Any:
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        # Larger documents than this are real, but their values have names and texts.
        if sum(map(text.count, "{[,")) > max(_MOST_VALUES, len(text) // _SHORTEST_VALUE):
            raise _TooLarge("the document has more than a million values: divide it")
        try:
            return msgspec.json.decode(text.lstrip("\ufeff"))
        except msgspec.DecodeError:
            pass  # YAML in flow style begins like JSON
    if len(text) > _LONGEST_YAML:
        raise _TooLarge("YAML is larger than 5 MiB: convert the document to JSON, or divide it")
    document = yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from a safe loader
    _check_size(document)
    return document


class _TooLarge(Exception):
    """A document whose values would take too much memory."""


def _check_size(document: object) -> None:
    waiting, seen = [document], 0
    while waiting:
        value = waiting.pop()
        inner = list(value.values()) if isinstance(value, dict) else value
        if isinstance(inner, list):
            waiting += inner
            seen += len(inner)
        if seen > _MOST_VALUES:
            raise _TooLarge("the document has too many values, or its aliases never end")


def lookup(document: JsonObject, reference: object, place: str) -> Any:
    """Return the target of a reference such as `#/components/schemas/Pet`.

    Raises:
        ConfigurationError: the reference leads out of the document, or has no target.
    """
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise ConfigurationError(
            f'{place}: the reference "{reference}" leads out of the document: put its'
            " target into components"
        )
    found: Any = document
    for part in reference[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise ConfigurationError(
                f'{place}: the reference "{reference}" has no target: add the target, or correct'
                " the reference"
            )
    return found


def follow(document: JsonObject, node: object, place: str) -> JsonObject:
    """Return a node that is an object; a reference is followed.

    Raises:
        ConfigurationError: the node is not an object, or refers to itself.
    """
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(node, dict):
            raise ConfigurationError(f"{place}: an object is expected here")
        if "$ref" not in node:
            return node
        node = lookup(document, node["$ref"], place)
    raise ConfigurationError(f"{place}: the reference leads back to itself: correct it")
