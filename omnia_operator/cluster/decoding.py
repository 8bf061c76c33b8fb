"""Lets the clients of the API server read JSON of any depth.

The API server stores objects of up to 10,000 levels. Python reads fewer: 994 to 9,998, depending on
its version. One such object would keep its whole kind from being listed and watched.
"""

import json
import re
from typing import Any

import msgspec
from lightkube.core import decoders

from omnia_core.jsonvalue import MAX_DEPTH, TooDeep, check_depth

# More than a resource may have, so that a cut one is refused for its depth, and few enough for the
# functions of kopf that call themselves for every level.
_DEPTH = MAX_DEPTH + 20
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def read_any_depth() -> None:
    """Let kopf and lightkube cut what is nested too deeply, in this process."""
    # Neither takes a decoder. kopf calls json.loads without one.
    json._default_decoder = _Decoder()  # type: ignore[attr-defined] # noqa: SLF001
    decoders.json_decode = _decode  # type: ignore[assignment] # called with these two only


def cut(text: str) -> str:
    """Return JSON text with null in place of every object and list below 220 levels."""
    parts: list[str] = []
    depth = kept = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth == _DEPTH + 1:
                    parts.append(text[kept : token.start()] + "null")
            case "]" | "}":
                if depth == _DEPTH + 1:
                    kept = token.end()
                depth -= 1
            case _:
                pass
    return "".join(parts) + text[kept:]


def _decode(data: bytes | msgspec.Raw, *, type: Any) -> Any:  # noqa: A002 - lightkube's name
    text: Any = bytes(data)
    return msgspec.json.decode(cut(text.decode()) if _is_deep(text) else data, type=type)


class _Decoder(json.JSONDecoder):
    def decode(self, s: str, *args: Any) -> Any:
        return super().decode(cut(s) if _is_deep(s) else s, *args)


def _is_deep(text: bytes | str) -> bool:
    try:
        check_depth(text)
    except TooDeep:
        return True
    return False
