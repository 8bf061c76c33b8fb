"""The styles in which OpenAPI writes lists and objects into a URL, a header or a form."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

# Reserved characters that do not end a value in a query. `%` stands for what is encoded already.
_IN_QUERY = "!$'()*,/:;=?@%"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SEPARATORS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}


def plain(value: Any) -> str:
    """Return a string as it is, and any other value as JSON text."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def written_as(media_type: str, value: Any) -> str:
    """Return a parameter that its document describes by a media type: JSON, a form or text."""
    if "json" in media_type.lower():
        return msgspec.json.encode(value).decode()
    if "x-www-form-urlencoded" in media_type.lower() and isinstance(value, dict):
        pairs = (query_pairs(name, item, "form", explode=True) for name, item in value.items())
        return "&".join(pair for found in pairs for pair in found)
    return plain(value)


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


def cookie_text(name: str, value: Any, style: str, *, explode: bool) -> str:
    """Serialize a cookie parameter as the value of a `Cookie` header.

    The style is form, which joins the items of an exploded value by `&`, or cookie, which makes
    each of them a cookie.
    """
    pairs = query_pairs(name, value, "form", explode=explode)
    return ("; " if style == "cookie" else "&").join(pairs)


def query_pairs(
    name: str, value: Any, style: str, *, explode: bool, allow_reserved: bool = False
) -> list[str]:
    """Serialize a query parameter or form field as `name=value` pairs.

    The style is form, spaceDelimited, pipeDelimited or deepObject. An empty list or object has no
    pairs.
    """
    key, write = encoded(name), _reserved if allow_reserved else encoded
    if not isinstance(value, list | dict):
        return [f"{key}={write(value)}"]
    if style == "deepObject":
        return list(_deep_pairs(key, value, write))
    if explode and isinstance(value, dict):
        return [f"{encoded(part)}={write(item)}" for part, item in value.items()]
    if explode:
        return [f"{key}={write(item)}" for item in value]
    joined = _SEPARATORS.get(style, ",").join(_items(value, write, explode=False))
    return [f"{key}={joined}"] if value else []


def _reserved(value: Any) -> str:
    """Return a value with the characters that may stand in a query, and with its escapes."""
    return quote(_STRAY_PERCENT.sub("%25", plain(value)), safe=_IN_QUERY)


def _deep_pairs(key: str, value: Any, write: Callable[[Any], str]) -> Iterator[str]:
    """Write `key[name]=value`. What is nested deeper, and lists, which OpenAPI leaves open, get
    a bracket for each level too: `key[0]=value`.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _deep_pairs(f"{key}%5B{encoded(name)}%5D", item, write)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _deep_pairs(f"{key}%5B{number}%5D", item, write)
    elif value is not None:
        yield f"{key}={write(value)}"


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
