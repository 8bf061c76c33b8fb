"""From the arguments of a model to an HTTP request."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct, structs

from omnia_core.files.tools import HTTPConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.tools import ToolFailed, ToolRetry
from omnia_runtime.tools.http.mapping import MappingFailed, apply_expression

WITHOUT_BODY = frozenset({"GET", "DELETE", "HEAD"})
_FORM = "application/x-www-form-urlencoded"
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_FORBIDDEN_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")


class HTTPCall(Struct, frozen=True):
    """A request, ready to be sent; `url` is encoded already."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def build_call(config: HTTPConfig, arguments: JsonObject) -> HTTPCall:
    """Put each argument where the handler wants it. What the handler fixes, no argument changes.

    Raises:
        ToolRetry: an argument is missing or cannot stand where it must.
        ToolFailed: the handler's own mapping makes no body.
    """
    rest = dict(arguments)
    url = _url(config, rest)
    carried = {name: rest.pop(name) for name in config.header_params if name in rest}
    headers = {
        config.header_params[name]: _header(name, value)
        for name, value in carried.items()
        # null has no text: outside a body it means that there is no value
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
    return HTTPCall(
        method,
        _with_query(url, {**query, **config.static_query}),
        {**without(headers, config.headers), **config.headers},
        body,
    )


def proven(call: HTTPCall, proof: Mapping[str, str]) -> HTTPCall:
    """Return the request with the headers that prove who asks; they win over any other."""
    return structs.replace(call, headers={**without(call.headers, proof), **proof})


def without(headers: Mapping[str, str], others: Iterable[str]) -> dict[str, str]:
    """Return the headers whose names, whatever their case, are none of the others."""
    taken = {name.lower() for name in others}
    return {name: value for name, value in headers.items() if name.lower() not in taken}


def check_template(template: str | None) -> None:
    """Refuse a template whose arguments would choose the server.

    Raises:
        ValueError: it does.
    """
    if template and "://" in template and "{" in template.partition("://")[2].partition("/")[0]:
        raise ValueError("httpConfig.urlTemplate takes arguments in its path and query only")


def _url(config: HTTPConfig, rest: JsonObject) -> str:
    """Fill the URL template; its arguments are taken out of `rest`."""
    if config.url_template is None:
        return config.endpoint
    taken = set()

    def fill(match: re.Match[str]) -> str:
        name = match[1].strip()
        if rest.get(name) is None:
            raise ToolRetry(f'the argument "{name}" is missing: it is part of the URL')
        text = _plain(rest[name])
        # dots alone would climb the path, however they are encoded
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
    pairs = [
        (name, _plain(each))
        for name, value in query.items()
        if value is not None
        for each in (value if isinstance(value, list) else [value])
    ]
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}" if pairs else url


def _body(config: HTTPConfig, rest: JsonObject) -> bytes:
    whole = _mapped(config, rest)
    if config.content_type.partition(";")[0].strip() == _FORM:
        if not isinstance(whole, dict):
            raise ToolFailed("the bodyMapping makes no object, and a form has to be one")
        return urlencode({name: _plain(value) for name, value in whole.items()}).encode()
    return msgspec.json.encode(whole)


def _mapped(config: HTTPConfig, rest: JsonObject) -> Any:
    """Return the body's value. Fields that the handler fixes are added to an object only."""
    if config.body_mapping is None:
        return {**rest, **config.static_body}
    try:
        made = apply_expression(config.body_mapping, rest)
    except MappingFailed as error:
        raise ToolRetry(f"the arguments do not fit the handler's bodyMapping: {error}") from error
    if config.static_body and not isinstance(made, dict):
        raise ToolFailed("the bodyMapping makes no object, and staticBody adds fields to one")
    return {**made, **config.static_body} if config.static_body else made


def _header(name: str, value: Any) -> str:
    text = _plain(value)
    if _FORBIDDEN_IN_HEADER.search(text) or not text.isascii():
        raise ToolRetry(f'the argument "{name}" holds characters that a header cannot carry')
    return text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
