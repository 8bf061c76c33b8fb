"""Builds the HTTP request of an operation from the arguments of a tool."""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi.body import BodyUnusable, encode_body
from omnia_core.openapi.operation import Body, Operation, Parameter, ParameterLocation
from omnia_core.openapi.styles import cookie_text, header_text, path_text, query_pairs, written_as

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_UNENCODED = re.compile(r"[^\x21-\x7e]+|[\"<>\\^`{|}]+")
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")


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
    cookies = [
        _cookie(item, given[item.argument])
        for item in present
        if item.place is ParameterLocation.COOKIE
    ]
    if cookies := [cookie for cookie in cookies if cookie]:
        headers["Cookie"] = "; ".join(cookies)
    body = None
    if operation.body is not None and (value := _body_value(operation, arguments)) is not None:
        headers["Content-Type"], body = _encoded_body(operation.body, value[0])
    base, _, fixed = operation.base_url.partition("?")
    url = base.rstrip("/") + _path(operation, given)
    if query := [*([fixed] if fixed else []), *query]:
        url += ("&" if "?" in url else "?") + "&".join(query)
    # What a document writes into its paths and servers is not always encoded.
    url = _UNENCODED.sub(lambda match: quote(match[0]), url)
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
            value = written_as(item.content_type, value)
        text = path_text(item.name, value, item.style, explode=item.explode)
        # "." and ".." would change the path, even if they are percent-encoded.
        if text in ("", ".", ".."):
            raise ArgumentUnusable(
                f'the argument "{item.argument}" cannot be "{text}": it is part of the URL'
            )
        return text

    # A fragment only makes paths different; it is not sent, and no query can follow it.
    return _VARIABLE.sub(fill, operation.path.partition("#")[0])


def _query(parameter: Parameter, value: Any) -> list[str]:
    if parameter.content_type is not None:
        value = written_as(parameter.content_type, value)
    return query_pairs(
        parameter.name,
        value,
        parameter.style,
        explode=parameter.explode,
        allow_reserved=parameter.allow_reserved,
    )


def _header(parameter: Parameter, value: Any) -> str:
    if parameter.content_type is None:
        text = header_text(value, explode=parameter.explode)
    else:
        text = written_as(parameter.content_type, value)
    if _FORBIDDEN_IN_HEADER.search(text) or not text.isascii():
        raise ArgumentUnusable(
            f'the argument "{parameter.argument}" has characters that are not allowed in a header'
        )
    return text


def _cookie(parameter: Parameter, value: Any) -> str:
    if parameter.content_type is not None:
        value = written_as(parameter.content_type, value)
    return cookie_text(parameter.name, value, parameter.style, explode=parameter.explode)


def _body_value(operation: Operation, arguments: JsonObject) -> tuple[Any] | None:
    """Return the value of the body, which may be null; None when nothing is sent."""
    body = operation.body
    if body is None:
        return None
    if body.argument is not None:
        if body.argument in arguments:
            return (arguments[body.argument],)
        if body.required:
            raise ArgumentUnusable(f'the argument "{body.argument}" is missing: it is the body')
        return None
    fields = {
        name: arguments[argument] for argument, name in body.fields.items() if argument in arguments
    }
    if body.is_open:
        known = {item.argument for item in operation.parameters} | body.fields.keys()
        fields |= {name: value for name, value in arguments.items() if name not in known}
    return (fields,) if fields or body.required else None


def _encoded_body(body: Body, value: Any) -> tuple[str, bytes]:
    try:
        return encode_body(body, value)
    except BodyUnusable as error:
        raise ArgumentUnusable(f'the argument "{body.argument}" {error}') from error
