"""What a tool server learns about the turn that calls it: `x-omnia-…` metadata or headers."""

import re
from typing import Any

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import METADATA_SESSION_ID
from omnia_runtime.ports.tools import CallContext

_PREFIX = "x-omnia-"
_MAX_ENTRIES = 32
_MAX_VALUE = 1024
# Of all arguments together: many servers accept 8 KiB of headers.
_MAX_PARAMETERS = 4096
# Above it a float has no exact last digit.
_MAX_WHOLE = 1e15
_IN_HEADER = re.compile(r"[\x20-\x7e]+")
_WORD = re.compile(r"[A-Za-z0-9]+")


def call_metadata(tool: str, registry: str, context: CallContext) -> dict[str, str]:
    """Return the metadata of a call: only our own names, and at most `_MAX_ENTRIES`."""
    own = {
        name: value[:_MAX_VALUE]
        for name, value in context.metadata.items()
        if name.startswith(_PREFIX)
    }
    bounded = dict(list(own.items())[:_MAX_ENTRIES])
    more = {
        METADATA_SESSION_ID: context.session_id,
        "x-omnia-tool-name": tool,
        "x-omnia-tool-registry": registry,
        "x-omnia-tool-call-id": context.call_id,
    }
    return bounded | {name: value for name, value in more.items() if value}


def identity_headers(
    tool: str, registry: str, arguments: JsonObject, context: CallContext
) -> dict[str, str]:
    """Return the metadata of a call and its plain arguments as headers.

    An argument `order_id` is `X-Omnia-Param-OrderId`. A value that no header can carry, or that is
    too long, is left out: the body has every argument.
    """
    headers = {
        name.title(): value for name, value in call_metadata(tool, registry, context).items()
    }
    left = _MAX_PARAMETERS
    for name, value in arguments.items():
        words = [word[0].upper() + word[1:] for word in _WORD.findall(name)]
        header, text = "X-Omnia-Param-" + "".join(words), _plain(value)
        if not words or text is None or not _IN_HEADER.fullmatch(text):
            continue
        if len(text) <= _MAX_VALUE and (left := left - len(header) - len(text)) >= 0:
            headers[header] = text
    return {name: value for name, value in headers.items() if _IN_HEADER.fullmatch(value)}


def _plain(value: Any) -> str | None:
    """Return text, a number or a boolean as text; None for what has no plain form."""
    match value:
        case str():
            return value.strip()
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return (
                str(int(value)) if value.is_integer() and abs(value) < _MAX_WHOLE else repr(value)
            )
        case _:
            return None
