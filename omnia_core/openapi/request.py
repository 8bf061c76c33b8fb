"""From the arguments of a tool to the request of an operation."""

import re
from typing import Any

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.operation import Operation, Parameter, Place
from omnia_core.openapi.styles import header_text, path_text, plain, query_pairs

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")


class ArgumentUnusable(ValueError):
    """An argument is missing, or cannot stand where the operation wants it."""


class Request(msgspec.Struct, frozen=True):
    """A request, ready to be sent; `url` is encoded already."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


def build_request(operation: Operation, arguments: JsonObject) -> Request:
    """Put each argument where the operation wants it. An optional one that is null is left out.

    Raises:
        ArgumentUnusable: names the argument.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    present = [each for each in operation.parameters if each.argument in given]
    query = [
        pair
        for each in present
        if each.place is Place.QUERY
        for pair in _query(each, given[each.argument])
    ]
    headers = {
        each.name: _header(each, given[each.argument])
        for each in present
        if each.place is Place.HEADER
    }
    body = _body(operation, arguments)
    if body is not None and operation.body is not None:
        headers["Content-Type"] = operation.body.content_type
    url = operation.base_url + _path(operation, given)
    if query:
        url += ("&" if "?" in url else "?") + "&".join(query)
    return Request(operation.method, url, headers, body)


def _path(operation: Operation, given: JsonObject) -> str:
    by_name = {each.name: each for each in operation.parameters if each.place is Place.PATH}

    def fill(match: re.Match[str]) -> str:
        each = by_name[match[1]]
        if each.argument not in given:
            raise ArgumentUnusable(
                f'the argument "{each.argument}" is missing: it is part of the URL'
            )
        value = given[each.argument]
        if each.content_type is not None:
            value = msgspec.json.encode(value).decode()
        text = path_text(each.name, value, each.style, explode=each.explode)
        # dots alone would climb the path, however they are encoded
        if text in ("", ".", ".."):
            raise ArgumentUnusable(
                f'the argument "{each.argument}" cannot be "{text}": it is part of the URL'
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
            f'the argument "{parameter.argument}" holds characters that a header cannot carry'
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
