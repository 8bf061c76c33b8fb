"""What compatible servers want back with the tool calls of an answer: reasoning and signatures.

DeepSeek and Kimi refuse a conversation without the `reasoning_content` of an answer that called
tools, in later turns too; OpenRouter has `reasoning_details`, with signatures; Gemini's compatible
endpoint wants the `extra_content` of each call.

Sources: https://api-docs.deepseek.com/guides/thinking_mode,
https://openrouter.ai/docs/use-cases/reasoning-tokens,
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct, structs

from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject, check_depth
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ToolCallRequest
from omnia_runtime.providers.answer_size import ITEM, AnswerSize

# Stands for a member that is absent.
NOTHING = Raw()
# The members of a detail that arrive in pieces.
_CONTINUED = ("text", "summary", "signature")
# Marks our `opaque` text: another vendor's adapter may have left its own in the conversation.
_MARK = "chat:"
_GEMINI_HOST = "generativelanguage.googleapis.com"
# These refuse an empty text, and take a space.
_REASONING_HOSTS = ("api.deepseek.com", "api.moonshot.ai", "api.moonshot.cn", "api.kimi.com")
_NO_REASONING = " "
# Gemini accepts this value for the signature of a call that another model made.
_NO_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}


class _Returned(Struct, frozen=True, omit_defaults=True):
    """What is sent back with a call, to the model that wrote it."""

    model: str = ""
    message: JsonObject = {}
    extra_content: JsonObject = {}


class CollectedReasoning:
    """Collects the reasoning in the pieces of an answer, in each form that its server sends."""

    def __init__(self, size: AnswerSize) -> None:
        """Collect nothing yet; what is collected is added to `size`."""
        self._size = size
        self._texts: dict[str, list[str]] = {}
        self._details: list[JsonObject] = []
        # Of the last detail: the pieces that continue its texts.
        self._pieces: dict[str, list[str]] = {}

    def add(self, content: Raw, reasoning: Raw, details: Raw) -> None:
        """Add the members `reasoning_content`, `reasoning` and `reasoning_details` of a piece.

        Raises:
            AnswerTooLong: the answer has too much reasoning.
        """
        for name, raw in (("reasoning_content", content), ("reasoning", reasoning)):
            if raw is not NOTHING and isinstance(text := _decoded(raw), str) and text:
                self._size.add_other(len(text))
                self._texts.setdefault(name, []).append(text)
        if details is not NOTHING and isinstance(items := _decoded(details), list):
            for item in items:
                if isinstance(item, dict):
                    self._add_detail(item, len(bytes(details)))

    def _add_detail(self, item: JsonObject, length: int) -> None:
        """Continue the last detail, or begin another one. Encrypted ones come whole.

        `length` is that of the JSON which has the item: that much may be kept.
        """
        last = self._details[-1] if self._details else {}
        same = [last.get(key) == item.get(key) for key in ("type", "index")]
        if not last or not all(same) or "data" in item:
            self._join_pieces()
            self._size.add_other(ITEM + length)
            self._details.append(item)
            return
        for key, value in item.items():
            if key in _CONTINUED and isinstance(last.get(key), str) and isinstance(value, str):
                self._size.add_other(len(value))
                self._pieces.setdefault(key, []).append(value)
            elif value is not None and value != last.get(key):
                self._size.add_other(length if key in last else ITEM + length)
                last[key] = value

    def _join_pieces(self) -> None:
        for key, pieces in self._pieces.items():
            self._details[-1][key] += "".join(pieces)
        self._pieces.clear()

    def packed(
        self, calls: Sequence[ToolCallRequest], model: str, extra: Sequence[bytes]
    ) -> list[ToolCallRequest]:
        """Pack what came with the calls of an answer into their `opaque` texts.

        Args:
            calls: the calls of the answer; what belongs to all of them goes into the first one.
            model: the model of the provider.
            extra: the `extra_content` of each call, as JSON; empty if it has none.
        """
        message: JsonObject = {name: "".join(texts) for name, texts in self._texts.items()}
        self._join_pieces()
        if self._details:
            message["reasoning_details"] = self._details
        packed = []
        for call, content in zip(calls, extra, strict=False):
            found = _decoded(content) if content else None
            returned = _Returned(model, message, found if isinstance(found, dict) else {})
            message = {}
            if returned.message or returned.extra_content:
                opaque = _MARK + msgspec.json.encode(returned).decode()
                packed.append(structs.replace(call, opaque=opaque))
            else:
                packed.append(call)
        return packed


def add_reasoning(mapped: JsonObject, message: Message, config: ProviderConfig) -> None:
    """Add to the mapped message of an answer what came with its tool calls.

    The vendors that refuse an answer without its reasoning, or a call without its signature, get a
    value that they accept for the answers of other models.
    """
    host = urlsplit(config.base_url).hostname if config.base_url else ""
    if host in _REASONING_HOSTS:
        mapped["reasoning_content"] = _NO_REASONING
    for index, call in enumerate(message.tool_calls):
        target = mapped["tool_calls"][index]
        returned = _unpacked(call.opaque, config.model)
        mapped |= returned.message
        if returned.extra_content:
            target["extra_content"] = returned.extra_content
        elif host == _GEMINI_HOST and index == 0:
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


def _decoded(data: Raw | bytes) -> Any:
    """Decode a member that may be malformed or of any type; it costs only itself."""
    try:
        check_depth(bytes(data))
        return msgspec.json.decode(data)
    except ValueError:
        return None
