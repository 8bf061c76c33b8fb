"""From the arguments of a tool call to an HTTP request."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct, structs

from omnia_core.files.tools import HTTPConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import ToolFailed, ToolRetry
from omnia_runtime.tools.http.expressions import ExpressionFailed, apply_expression

WITHOUT_BODY = frozenset({"GET", "DELETE", "HEAD"})
_FORM = "application/x-www-form-urlencoded"
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")


class HTTPToolRequest(Struct, frozen=True):
    """A request, ready to be sent; `url` is already encoded."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def build_request(config: HTTPConfig, arguments: JsonObject) -> HTTPToolRequest:
    """Put each argument in its place; no argument can change a value that the handler fixes.

    Raises:
        ToolRetry: an argument is missing, or does not fit its place.
        ToolFailed: the handler's mapping does not result in a body.
    """
    rest = dict(arguments)
    url = _url(config, rest)
    in_headers = {name: rest.pop(name) for name in config.header_params if name in rest}
    headers = {
        config.header_params[name]: _header(name, value)
        for name, value in in_headers.items()
        # null has no text form: outside a body it means no value.
        if value is not None
    }
    query = {name: rest.pop(name) for name in config.query_params if name in rest}
    method = config.method.upper()
    body = None
    if method in WITHOUT_BODY:
        query |= rest
    else:
        body = _body(config, rest)
        headers = {**without(headers, ["Content-Type"]), "Content-Type": config.content_type}
    return HTTPToolRequest(
        method,
        _with_query(url, {**query, **config.static_query}),
        {**without(headers, config.headers), **config.headers},
        body,
    )


def with_headers(request: HTTPToolRequest, headers: Mapping[str, str]) -> HTTPToolRequest:
    """Return the request with `headers`, which replace others of the same names."""
    return structs.replace(request, headers={**without(request.headers, headers), **headers})


def without(headers: Mapping[str, str], others: Iterable[str]) -> dict[str, str]:
    """Return the headers without those that `others` names, in any case of letters."""
    taken = {name.lower() for name in others}
    return {name: value for name, value in headers.items() if name.lower() not in taken}


def check_template(template: str | None) -> None:
    """Check that arguments cannot change the server in a URL template.

    Raises:
        ValueError: the template has arguments before its path.
    """
    if template and "://" in template and "{" in template.partition("://")[2].partition("/")[0]:
        raise ValueError("httpConfig.urlTemplate may have arguments only in its path and query")


def _url(config: HTTPConfig, rest: JsonObject) -> str:
    """Fill the URL template, and remove its arguments from `rest`."""
    if config.url_template is None:
        return config.endpoint
    taken = set()

    def fill(match: re.Match[str]) -> str:
        name = match[1].strip()
        if rest.get(name) is None:
            raise ToolRetry(f'the argument "{name}" is missing: it is part of the URL')
        text = _plain(rest[name])
        # Dots alone would go up the path, however they are encoded.
        if text in ("", ".", ".."):
            raise ToolRetry(f'the argument "{name}" cannot be "{text}": it is part of the URL')
        taken.add(name)
        return quote(text, safe="")

    path = _PARAMETER.sub(fill, config.url_template)
    for name in taken:
        del rest[name]
    if path.startswith(("http://", "https://")):
        return path
    base = urlsplit(config.endpoint)
    return urlunsplit((base.scheme, base.netloc, "/" + path.lstrip("/"), "", ""))


def _with_query(url: str, query: Mapping[str, Any]) -> str:
    pairs = _pairs(query)
    return f"{url}{'&' if '?' in url else '?'}{pairs}" if pairs else url


def _pairs(values: Mapping[str, Any]) -> str:
    """Return values as `name=value` pairs. A list repeats its name, and null means no value."""
    return urlencode(
        [
            (name, _plain(item))
            for name, value in values.items()
            if value is not None
            for item in (value if isinstance(value, list) else [value])
        ]
    )


def _body(config: HTTPConfig, rest: JsonObject) -> bytes:
    value = _mapped(config, rest)
    kind = config.content_type.partition(";")[0].strip().lower()
    if kind == _FORM:
        if not isinstance(value, dict):
            raise ToolFailed("the result of bodyMapping is not an object, which a form has to be")
        return _pairs(value).encode()
    # The text of a mapping is the body of a type such as text/plain or application/xml.
    is_text = isinstance(value, str) and "json" not in kind
    return value.encode() if is_text else msgspec.json.encode(value)


def _mapped(config: HTTPConfig, rest: JsonObject) -> Any:
    """Return the value of the body. The fields of staticBody are added if it is an object."""
    if config.body_mapping is None:
        return {**rest, **config.static_body}
    try:
        result = apply_expression(config.body_mapping, rest)
    except ExpressionFailed as error:
        raise ToolRetry(f"the arguments do not fit the handler's bodyMapping: {error}") from error
    if config.static_body and not isinstance(result, dict):
        raise ToolFailed(
            "the result of bodyMapping is not an object, to which staticBody adds fields"
        )
    return {**result, **config.static_body} if config.static_body else result


def _header(name: str, value: Any) -> str:
    text = _plain(value)
    if _FORBIDDEN_IN_HEADER.search(text) or not text.isascii():
        raise ToolRetry(f'the argument "{name}" has characters that are not allowed in a header')
    return text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
