"""From the events of a Messages stream to the events of a model.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import msgspec
from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.claude.messages import LayoutItem, packed_layout
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_stream import complete_calls

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "tool_use": "tool_use",
    "refusal": "refusal",
}
# The HTTP status that an error has outside of a stream.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_OTHER_ERROR = 500


# The events are flat, so that one type decodes all of them. Unknown types of events are ignored:
# the API may add some at any time.


class _Usage(Struct, gc=False):
    """Token counts so far; None means unchanged."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(Struct, gc=False):
    """The answer at its beginning."""

    usage: _Usage | None = None


class _Block(Struct, gc=False):
    """A block at its beginning; its type says which fields are set."""

    type: str
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Delta(Struct, gc=False):
    """More of a block, or of the message; its type says which fields are set."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None


class _Error(Struct, gc=False):
    """Why the answer broke off."""

    type: str = ""
    message: str = ""


class _Event(Struct, gc=False):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | None = None


_decode = msgspec.json.Decoder(_Event).decode


class _OpenBlock:
    """A block that is not complete yet."""

    __slots__ = ("block", "pieces", "signature")

    def __init__(self, block: _Block) -> None:
        self.block = block
        self.pieces: list[str] = []
        self.signature = block.signature


class MessageStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the vendor said that the answer is complete.
        cache_writes: input tokens that were written to the vendor's cache.
    """

    def __init__(self) -> None:
        self.done = False
        self.cache_writes = 0
        self._open: dict[int, _OpenBlock] = {}
        self._layout: list[LayoutItem] = []
        self._calls: list[ToolCallRequest] = []
        self._reason: str | None = None
        self._fresh = self._cached = self._output = 0

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the event is malformed, or reports an error.
        """
        try:
            event = _decode(data)
        except msgspec.DecodeError as error:
            raise VendorFailure(f"sent a malformed event of a message: {error}") from error
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._continue_block(event.index, event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._begin_block(event.index, event.content_block)
            case "content_block_stop":
                self._end_block(event.index)
            case "message_start" if event.message is not None:
                self._count(event.message.usage)
            case "message_delta":
                self._count(event.usage)
                self._reason = (event.delta and event.delta.stop_reason) or self._reason
            case "message_stop":
                self.done = True
            case "error":
                raise _failure(event.error or _Error())
            case _:
                pass
        return ""

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did.
        """
        if self._reason is None and not self.done:
            raise VendorFailure("ended its stream before its answer", retry=True)
        reason = _REASONS.get(self._reason or "end_turn", "stop")
        usage = Usage(self._fresh + self._cached + self.cache_writes, self._output, self._cached)
        return [*self._complete_calls(reason), Finished(reason, usage)]

    def _complete_calls(self, reason: FinishReason) -> list[ToolCallRequest]:
        if reason == "refusal" or not self._calls:
            return []
        if reason == "max_output_tokens":
            return complete_calls(self._calls)
        first, *others = self._calls
        return [structs.replace(first, opaque=packed_layout(self._layout)), *others]

    def _begin_block(self, index: int, block: _Block) -> str:
        if block.type == "text":
            return self._text(block.text)
        if block.type in ("tool_use", "thinking"):
            self._open[index] = _OpenBlock(block)
        elif block.type == "redacted_thinking":
            self._layout.append({"type": block.type, "data": block.data})
        return ""

    def _text(self, text: str) -> str:
        layout = self._layout
        if layout and isinstance(layout[-1], int):
            layout[-1] += len(text)
        else:
            layout.append(len(text))
        return text

    def _continue_block(self, index: int, delta: _Delta) -> str:
        if delta.type == "text_delta":
            return self._text(delta.text)
        opened = self._open.get(index)
        if opened is not None:
            opened.pieces.append(delta.partial_json or delta.thinking)
            opened.signature = delta.signature or opened.signature
        return ""

    def _end_block(self, index: int) -> None:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        block, rest = opened.block, "".join(opened.pieces)
        if block.type == "thinking":
            thought = {"thinking": block.thinking + rest, "signature": opened.signature}
            self._layout.append({"type": block.type, **thought})
            return
        arguments = rest or bytes(block.input).decode()
        self._layout.append(None)
        self._calls.append(ToolCallRequest(block.id, block.name, arguments))

    def _count(self, usage: _Usage | None) -> None:
        """Store the counts, which are totals; a count that is absent stays as it was."""
        if usage is None:
            return
        if usage.input_tokens is not None:
            self._fresh = usage.input_tokens
        if usage.output_tokens is not None:
            self._output = usage.output_tokens
        if usage.cache_read_input_tokens is not None:
            self._cached = usage.cache_read_input_tokens
        if usage.cache_creation_input_tokens is not None:
            self.cache_writes = usage.cache_creation_input_tokens


def _failure(error: _Error) -> VendorFailure:
    status = _STATUS.get(error.type, _OTHER_ERROR)
    return VendorFailure(f"broke off: {error.message or error.type or 'an error'}", status=status)
