"""What compatible servers want back with the tool calls of an answer: reasoning and signatures.

DeepSeek and Kimi refuse a conversation without the `reasoning_content` of an answer that called
tools, in later turns too; Gemini's compatible endpoint wants the `extra_content` of each call.

Sources: https://api-docs.deepseek.com/guides/thinking_mode,
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, structs

from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ToolCallRequest

# Marks our `opaque` text: another vendor's adapter may have left its own in the conversation.
_MARK = "chat:"
_GEMINI_HOST = "generativelanguage.googleapis.com"
# Gemini accepts this value for the signature of a call that another model made.
_NO_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}


class _Returned(Struct, frozen=True, omit_defaults=True):
    """What is sent back with a call, to the model that wrote it."""

    model: str = ""
    message: dict[str, str] = {}
    extra_content: JsonObject = {}


def with_reasoning(
    calls: Sequence[ToolCallRequest],
    model: str,
    message: Mapping[str, str],
    extra: Sequence[bytes],
) -> list[ToolCallRequest]:
    """Pack what came with the calls of an answer into their `opaque` texts.

    Args:
        calls: the calls of the answer that are complete.
        model: the model of the provider.
        message: members of the answer's message; they go into the first call.
        extra: the `extra_content` of each call, as JSON; empty if it has none.
    """
    packed = []
    for index, (call, content) in enumerate(zip(calls, extra, strict=False)):
        returned = _Returned(model, dict(message) if index == 0 else {}, _object(content))
        if returned.message or returned.extra_content:
            opaque = _MARK + msgspec.json.encode(returned).decode()
            packed.append(structs.replace(call, opaque=opaque))
        else:
            packed.append(call)
    return packed


def add_reasoning(mapped: JsonObject, message: Message, config: ProviderConfig) -> None:
    """Add to the mapped message of an answer what came with its tool calls."""
    at_gemini = (urlsplit(config.base_url).hostname or "") == _GEMINI_HOST
    for index, (call, target) in enumerate(
        zip(message.tool_calls, mapped["tool_calls"], strict=True)
    ):
        returned = _unpacked(call.opaque, config.model)
        mapped |= returned.message
        if returned.extra_content:
            target["extra_content"] = returned.extra_content
        elif at_gemini and index == 0:
            # Of parallel calls, only the first is signed.
            target["extra_content"] = _NO_SIGNATURE


def _unpacked(opaque: str, model: str) -> _Returned:
    """Return what is in an `opaque` text; nothing if another model wrote it."""
    if not opaque.startswith(_MARK):
        return _Returned()
    try:
        found = msgspec.json.decode(opaque.removeprefix(_MARK), type=_Returned)
    except msgspec.DecodeError:
        return _Returned()
    return found if found.model == model else _Returned()


def _object(data: bytes) -> JsonObject:
    if not data:
        return {}
    try:
        return msgspec.json.decode(data, type=JsonObject)
    except msgspec.DecodeError:
        return {}
