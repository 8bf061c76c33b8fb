"""From the arguments of a model to an HTTP request."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import orjson
from msgspec import Struct

from omnia_core.files.tools import HTTPConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.tools.source import ToolRetry

_WITHOUT_BODY = frozenset({"GET", "DELETE", "HEAD"})
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
    """
    rest = dict(arguments)
    url = _url(config, rest)
    headers = {
        header: _header(name, rest.pop(name))
        for name, header in config.header_params.items()
        if name in rest
    }
    query = {name: rest.pop(name) for name in config.query_params if name in rest}
    method = config.method.upper()
    body = None
    if method in _WITHOUT_BODY:
        query |= rest
    else:
        body = _body(config, rest)
        headers["Content-Type"] = config.content_type
    fixed = {name.lower() for name in config.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in fixed}
    return HTTPCall(
        method,
        _with_query(url, {**query, **config.static_query}),
        {**headers, **config.headers},
        body,
    )


def _url(config: HTTPConfig, rest: JsonObject) -> str:
    """Fill the URL template; its arguments are taken out of `rest`."""
    if config.url_template is None:
        return config.endpoint
    taken = set()

    def fill(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in rest:
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
    if not query:
        return url
    pairs = [
        (name, _plain(each))
        for name, value in query.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}"


def _body(config: HTTPConfig, rest: JsonObject) -> bytes:
    whole = {**rest, **config.static_body}
    if config.content_type.partition(";")[0].strip() == _FORM:
        return urlencode({name: _plain(value) for name, value in whole.items()}).encode()
    return orjson.dumps(whole)


def _header(name: str, value: Any) -> str:
    text = _plain(value)
    if _FORBIDDEN_IN_HEADER.search(text) or not text.isascii():
        raise ToolRetry(f'the argument "{name}" holds characters that a header cannot carry')
    return text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
