"""A request to a model as a JSON value, the same for the same request. Pure.

Ids, times and everything that a vendor does not get are left out; so are the bytes of media, of
which there is the digest.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from omnia_core.conversation.parts import Media, Part
from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest

_NONCE = "<nonce>"
# Characters of a text that a difference shows, before the place and after it.
_BEFORE, _SHOWN = 20, 60
# In the place of a value that is not there, which is not null.
_NOTHING = object()


def described(model: str, request: ChatRequest) -> JsonObject:
    """Describe a request to a model."""

    def plain(text: str) -> str:
        return text.replace(request.nonce, _NONCE) if request.nonce else text

    value: JsonObject = {
        "model": model,
        "system": plain(request.system),
        "messages": _messages(request.messages, plain),
    }
    if request.tools:
        tools = sorted(request.tools, key=lambda tool: tool.name)
        value["tools"] = [
            {"name": each.name, "description": each.description, "schema": each.input_schema}
            for each in tools
        ]
        value["tool_choice"] = request.tool_choice
    if parameters := msgspec.to_builtins(request.parameters):
        value["parameters"] = parameters
    if request.output:
        value["output"] = {"name": request.output.name, "schema": request.output.schema}
    return value


def _messages(messages: Sequence[Message], plain: Any) -> list[JsonObject]:
    ordinals: dict[str, int] = {}
    found = []
    for message in messages:
        value: JsonObject = {"role": message.role}
        if message.content:
            value["content"] = plain(message.content)
        media = [_media(part) for part in message.parts if part.media]
        if media:
            value["media"] = media
        if message.tool_calls:
            for call in message.tool_calls:
                ordinals[call.id] = len(ordinals) + 1
            value["calls"] = [
                {
                    "number": ordinals[call.id],
                    "name": call.name,
                    "arguments": arguments_text(call.arguments),
                }
                for call in message.tool_calls
            ]
        if message.role == "tool":
            value["result_of"] = ordinals.get(message.tool_call_id, 0)
            if message.is_error:
                value["is_error"] = True
        found.append(value)
    return found


def arguments_text(arguments: str) -> str:
    """Return the arguments of a call as JSON text that is the same for equal arguments."""
    try:
        return json.dumps(parse_json(arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


def _media(part: Part) -> JsonObject:
    media = part.media or Media()
    value = {"type": part.type, "mime_type": media.mime_type}
    if media.data:
        value["sha256"] = hashlib.sha256(media.data.encode()).hexdigest()
    if media.url:
        # The query of an address may be its signature.
        value["url"] = media.url.partition("?")[0].partition("#")[0]
    return value


def nearest(asked: Any, recorded: Sequence[Any]) -> Any:
    """Return the recording that is most similar to the request; None without recordings.

    Raises no error, whatever the values are.
    """
    return max(recorded, key=lambda each: _progress(asked, each), default=None)


def _progress(asked: Any, recorded: Any) -> tuple[int, int]:
    if not isinstance(asked, dict) or not isinstance(recorded, dict):
        return (0, 0)
    equal = sum(recorded.get(name) == value for name, value in asked.items())
    messages, others = asked.get("messages"), recorded.get("messages")
    common = 0
    if isinstance(messages, list) and isinstance(others, list):
        for one, other in zip(messages, others, strict=False):
            if one != other:
                break
            common += 1
    return (equal, common)


def difference(recorded: Any, asked: Any, place: str = "") -> str:
    """Say where two JSON values differ first; "" if they are equal."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        inner = (
            (f"{place}.{name}".lstrip("."), recorded.get(name, _NOTHING), asked.get(name, _NOTHING))
            for name in {**recorded, **asked}
        )
    elif isinstance(recorded, list) and isinstance(asked, list):
        longer = max(len(recorded), len(asked))
        inner = ((f"{place}[{at}]", _item(recorded, at), _item(asked, at)) for at in range(longer))
    elif _shown(recorded) == _shown(asked):
        return ""
    elif isinstance(recorded, str) and isinstance(asked, str):
        at = _first(recorded, asked)
        return f"{place}: recorded {_excerpt(recorded, at)}, asked {_excerpt(asked, at)}"
    else:
        return f"{place}: recorded {_cut(recorded)}, asked {_cut(asked)}"
    for where, one, other in inner:
        if found := difference(one, other, where):
            return found
    return ""


def _item(values: list[Any], at: int) -> Any:
    return values[at] if at < len(values) else _NOTHING


def _first(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _excerpt(text: str, at: int) -> str:
    begin = max(at - _BEFORE, 0)
    cut = text[begin : begin + _SHOWN]
    before = "…" if begin else ""
    after = "…" if begin + _SHOWN < len(text) else ""
    return json.dumps(before + cut + after, ensure_ascii=False)


def _shown(value: Any) -> str:
    return "nothing" if value is _NOTHING else json.dumps(value, ensure_ascii=False)


def _cut(value: Any) -> str:
    text = _shown(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
