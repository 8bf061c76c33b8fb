"""Builds the HTTP request of an operation from the arguments of a tool."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.operation import Operation, Parameter, ParameterLocation

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")
_SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


class ArgumentUnusable(ValueError):
    """An argument is missing, or its value cannot be sent where the operation expects it."""


class Request(msgspec.Struct, frozen=True):
    """A request to send; `url` is percent-encoded."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


def build_request(operation: Operation, arguments: JsonObject) -> Request:
    """Return the request; optional arguments that are null are left out.

    Raises:
        ArgumentUnusable: an argument is missing or cannot be sent; the message names it.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    present = [item for item in operation.parameters if item.argument in given]
    query = [
        pair
        for item in present
        if item.place is ParameterLocation.QUERY
        for pair in _query(item, given[item.argument])
    ]
    headers = {
        item.name: _header(item, given[item.argument])
        for item in present
        if item.place is ParameterLocation.HEADER
    }
    body = _body(operation, arguments)
    if body is not None and operation.body is not None:
        headers["Content-Type"] = operation.body.content_type
    url = operation.base_url + _path(operation, given)
    if query:
        url += ("&" if "?" in url else "?") + "&".join(query)
    return Request(operation.method, url, headers, body)


def _path(operation: Operation, given: JsonObject) -> str:
    by_name = {
        item.name: item for item in operation.parameters if item.place is ParameterLocation.PATH
    }

    def fill(match: re.Match[str]) -> str:
        item = by_name[match[1]]
        if item.argument not in given:
            raise ArgumentUnusable(
                f'the argument "{item.argument}" is missing: it is part of the URL'
            )
        value = given[item.argument]
        if item.content_type is not None:
            value = msgspec.json.encode(value).decode()
        text = path_text(item.name, value, item.style, explode=item.explode)
        # "." and ".." would change the path, even if they are percent-encoded.
        if text in ("", ".", ".."):
            raise ArgumentUnusable(
                f'the argument "{item.argument}" cannot be "{text}": it is part of the URL'
            )
        return text

    return _VARIABLE.sub(fill, operation.path)


def _query(parameter: Parameter, value: Any) -> list[str]:
    if parameter.content_type is not None:
        value = msgspec.json.encode(value).decode()
    return query_pairs(parameter.name, value, parameter.style, explode=parameter.explode)


def _header(parameter: Parameter, value: Any) -> str:
    if parameter.content_type is None:
        text = header_text(value, explode=parameter.explode)
    else:
        text = plain(value)
    if _FORBIDDEN_IN_HEADER.search(text) or not text.isascii():
        raise ArgumentUnusable(
            f'the argument "{parameter.argument}" has characters that are not allowed in a header'
        )
    return text


def _body(operation: Operation, arguments: JsonObject) -> bytes | None:
    body = operation.body
    if body is None:
        return None
    if body.argument is None:
        fields = {
            name: arguments[argument]
            for argument, name in body.fields.items()
            if argument in arguments
        }
        return msgspec.json.encode(fields)
    if body.argument in arguments:
        return msgspec.json.encode(arguments[body.argument])
    if body.required:
        raise ArgumentUnusable(f'the argument "{body.argument}" is missing: it is the body')
    return None


def plain(value: Any) -> str:
    """Return a string as it is, and any other value as JSON text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def encoded(value: Any) -> str:
    """Return a value as percent-encoded text."""
    return quote(plain(value), safe="")


def path_text(name: str, value: Any, style: str, *, explode: bool) -> str:
    """Serialize a path parameter in the style simple, label or matrix."""
    match style:
        case "label":
            mark = "." if explode else ","
            return "." + mark.join(_items(value, encoded, explode=explode))
        case "matrix":
            return _matrix(name, value, explode=explode)
        case _:
            return ",".join(_items(value, encoded, explode=explode))


def header_text(value: Any, *, explode: bool) -> str:
    """Serialize a header parameter; the style is always simple."""
    return ",".join(_items(value, plain, explode=explode))


def query_pairs(name: str, value: Any, style: str, *, explode: bool) -> list[str]:
    """Serialize a query parameter as `name=value` pairs; an empty list or object has none.

    The style is form, spaceDelimited, pipeDelimited or deepObject.
    """
    key = encoded(name)
    if isinstance(value, dict):
        if style == "deepObject":
            return [f"{key}%5B{encoded(name)}%5D={encoded(item)}" for name, item in value.items()]
        if explode:
            return list(_items(value, encoded, explode=True))
    elif isinstance(value, list):
        if explode:
            return [f"{key}={encoded(item)}" for item in value]
    else:
        return [f"{key}={encoded(value)}"]
    joined = _SEPARATORS.get(style, ",").join(_items(value, encoded, explode=False))
    return [f"{key}={joined}"] if value else []


def _matrix(name: str, value: Any, *, explode: bool) -> str:
    key = encoded(name)
    if isinstance(value, list) and explode:
        return "".join(f";{key}={encoded(item)}" for item in value)
    if isinstance(value, dict) and explode:
        return "".join(f";{item}" for item in _items(value, encoded, explode=True))
    text = ",".join(_items(value, encoded, explode=False))
    return f";{key}={text}" if text else f";{key}"


def _items(value: Any, write: Callable[[Any], str], *, explode: bool) -> Iterable[str]:
    if isinstance(value, list):
        return [write(item) for item in value]
    if not isinstance(value, dict):
        return [write(value)]
    if explode:
        return [f"{write(key)}={write(item)}" for key, item in value.items()]
    return [write(part) for pair in value.items() for part in pair]
