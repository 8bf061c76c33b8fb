"""From the events of a chat completions stream to the events of a model."""

import secrets

import msgspec
from msgspec import Struct, field

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.failure import VendorFailure
from omnia_runtime.providers.openai.failure import stream_failure

_NOTHING = msgspec.Raw()
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "length": "max_output_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "safety",
}


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _CallDelta(Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: _Function = field(default_factory=_Function)


class _Delta(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallDelta] | None = None


class _Choice(Struct, gc=False):
    delta: _Delta = field(default_factory=_Delta)
    finish_reason: str | None = None


class _Details(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] = field(default_factory=list)
    usage: _Usage | None = None
    error: msgspec.Raw = _NOTHING


class _Call:
    """A tool call that arrives in pieces."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


_decode = msgspec.json.Decoder(_Chunk).decode


class ChatStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the answer is complete.
        written_tokens: input tokens that were written to the vendor's cache.
    """

    def __init__(self) -> None:
        self.done = False
        self.written_tokens = 0
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._reason: str | None = None
        self._refused = False
        self._usage = Usage()

    def read(self, data: bytes) -> str:
        """Take the data of an event, and return the text in it.

        Raises:
            VendorFailure: it is no chunk of a completion, or it reports an error.
        """
        if data == b"[DONE]":
            self.done = True
            return ""
        try:
            chunk = _decode(data)
        except msgspec.DecodeError as error:
            raise VendorFailure(f"sent what is no chunk: {error}") from error
        if chunk.error is not _NOTHING and bytes(chunk.error) != b"null":
            raise stream_failure(bytes(chunk.error))
        if chunk.usage is not None:
            self._count(chunk.usage)
        return self._choice(chunk.choices[0]) if chunk.choices else ""

    def _choice(self, choice: _Choice) -> str:
        self._reason = choice.finish_reason or self._reason
        delta = choice.delta
        for piece in delta.tool_calls or ():
            self._call(piece)
        if delta.refusal:
            self._refused = True
            return delta.refusal
        return delta.content or ""

    def _call(self, piece: _CallDelta) -> None:
        call = self._slots.get(piece.index)
        # some compatible servers give every call the index 0: a new id is a new call
        if call is None or (piece.id and call.id and piece.id != call.id):
            call = self._slots[piece.index] = _Call()
            self._calls.append(call)
        call.id = piece.id or call.id
        call.name = piece.function.name or call.name
        if piece.function.arguments:
            call.arguments.append(piece.function.arguments)

    def _count(self, usage: _Usage) -> None:
        details = usage.prompt_tokens_details or _Details()
        self.written_tokens = details.cache_write_tokens or 0
        cached = details.cached_tokens or 0
        self._usage = Usage(usage.prompt_tokens, usage.completion_tokens, cached)

    def finish(self) -> list[ModelEvent]:
        """Return what remains to be said when the stream has ended.

        Raises:
            VendorFailure: it ended before the answer did.
        """
        if self._reason is None and not self.done:
            raise VendorFailure("ended its stream before its answer", retry=True)
        reason = _REASONS.get(self._reason or "stop", "stop")
        if self._refused:
            reason = "refusal"
        elif self._calls and reason == "stop":
            reason = "tool_use"
        # the token limit may have cut the arguments of the last call
        cut = reason == "max_output_tokens"
        calls = [
            ToolCallRequest(
                call.id or f"call_{secrets.token_hex(8)}",
                call.name,
                "".join(call.arguments) or "{}",
            )
            for call in self._calls
        ]
        whole = [call for call in calls if not cut or _is_json(call.arguments)]
        return [*whole, Finished(reason, self._usage)]


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True
