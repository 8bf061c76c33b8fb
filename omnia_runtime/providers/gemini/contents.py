"""From a conversation to Gemini's contents."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import orjson

from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.providers.call_arguments import parsed_arguments
from omnia_runtime.providers.gemini.parts import content_parts, media_part, text_parts
from omnia_runtime.providers.gemini.signature import NO_SIGNATURE, signature
from omnia_runtime.providers.gemini.version import Abilities


def gemini_contents(conversation: Sequence[Message], can: Abilities) -> list[JsonObject]:
    """Map a conversation; the results of parallel calls are one content, in the order of the calls.

    Raises:
        VendorFailure: the API does not take media of a message.
    """
    names = {call.id: call.name for message in conversation for call in message.tool_calls}
    contents: list[JsonObject] = []
    for role, messages in groupby(conversation, lambda message: message.role):
        if role == "tool":
            contents += _results(list(messages), names, can)
            continue
        for message in messages:
            parts = (
                _answer(message, can)
                if role == "assistant"
                else content_parts(message.content, message.parts)
            )
            # an answer that was cut before its first word says nothing
            if parts:
                contents.append(
                    {"role": "model" if role == "assistant" else "user", "parts": parts}
                )
    return contents


def _answer(message: Message, can: Abilities) -> list[JsonObject]:
    made = [media_part(part) for part in message.parts if part.type != "text"]
    if can.signs_calls:
        made = [{**part, "thoughtSignature": NO_SIGNATURE} for part in made]
    parts = text_parts(message.content) + made
    for index, call in enumerate(message.tool_calls):
        part: JsonObject = {
            "functionCall": {
                "id": call.id,
                "name": call.name,
                "args": parsed_arguments(call.arguments),
            }
        }
        signed = signature(call.opaque)
        if signed:
            part["thoughtSignature"] = signed
        elif can.signs_calls and index == 0:
            # of parallel calls only the first is signed
            part["thoughtSignature"] = NO_SIGNATURE
        parts.append(part)
    return parts


def _results(
    messages: Sequence[Message], names: dict[str, str], can: Abilities
) -> list[JsonObject]:
    parts, beside = [], []
    for message in messages:
        response: JsonObject = {
            "id": message.tool_call_id,
            "name": names.get(message.tool_call_id, message.tool_call_id),
            "response": {"error" if message.is_error else "output": _value(message.content)},
        }
        media = [media_part(part) for part in message.parts if part.type != "text"]
        if media and can.takes_media_in_results:
            response["parts"] = media
        else:
            beside += media
        parts.append({"functionResponse": response})
    results: list[JsonObject] = [{"role": "user", "parts": parts}]
    return [*results, {"role": "user", "parts": beside}] if beside else results


def _value(content: str) -> Any:
    """Return a result as the JSON value that it is, else as text."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content
