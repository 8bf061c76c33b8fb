"""How the values of parameters are written, by OpenAPI's `style` and `explode`.

Names and values are percent-encoded as the place wants it, the marks between them are not.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import msgspec

_MARKS = {"form": ",", "simple": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}


def plain(value: Any) -> str:
    """Return the text of a value: that of a string is its own, any other's is JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def encoded(value: Any) -> str:
    """Return the percent-encoded text of a value."""
    return quote(plain(value), safe="")


def path_text(name: str, value: Any, style: str, *, explode: bool) -> str:
    """Return what stands for a parameter in a path. Styles are simple, label and matrix."""
    match style:
        case "label":
            mark = "." if explode else ","
            return "." + mark.join(_items(value, encoded, explode=explode))
        case "matrix":
            return _matrix(name, value, explode=explode)
        case _:
            return ",".join(_items(value, encoded, explode=explode))


def header_text(value: Any, *, explode: bool) -> str:
    """Return the value of a header; its style is always simple."""
    return ",".join(_items(value, plain, explode=explode))


def query_pairs(name: str, value: Any, style: str, *, explode: bool) -> list[str]:
    """Return the pairs of a query. Styles are form, spaceDelimited, pipeDelimited and deepObject.

    A list or object without items has none.
    """
    key = encoded(name)
    if isinstance(value, dict):
        if style == "deepObject":
            return [f"{key}%5B{encoded(each)}%5D={encoded(one)}" for each, one in value.items()]
        if explode:
            return list(_items(value, encoded, explode=True))
    elif isinstance(value, list):
        if explode:
            return [f"{key}={encoded(each)}" for each in value]
    else:
        return [f"{key}={encoded(value)}"]
    joined = _MARKS.get(style, ",").join(_items(value, encoded, explode=False))
    return [f"{key}={joined}"] if value else []


def _matrix(name: str, value: Any, *, explode: bool) -> str:
    key = encoded(name)
    if isinstance(value, list) and explode:
        return "".join(f";{key}={encoded(each)}" for each in value)
    if isinstance(value, dict) and explode:
        return "".join(f";{each}" for each in _items(value, encoded, explode=True))
    text = ",".join(_items(value, encoded, explode=False))
    return f";{key}={text}" if text else f";{key}"


def _items(value: Any, write: Callable[[Any], str], *, explode: bool) -> Iterable[str]:
    if isinstance(value, list):
        return [write(each) for each in value]
    if not isinstance(value, dict):
        return [write(value)]
    if explode:
        return [f"{write(key)}={write(each)}" for key, each in value.items()]
    return [write(part) for pair in value.items() for part in pair]
