"""From the events of a Messages stream to the events of a model.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import msgspec
from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.answer_size import ITEM, AnswerSize
from omnia_runtime.providers.claude.messages import LayoutItem, packed_layout
from omnia_runtime.providers.finish import finish_reason, given_reason
from omnia_runtime.providers.lenient import (
    UNDECODABLE,
    JSONText,
    LenientDecoder,
    Prose,
    arguments_text,
    loads_object,
    token_count,
)
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.unexpected_events import UnexpectedEvents, is_done_marker
from omnia_runtime.providers.vendor_stream import (
    complete_calls,
    nameless_call,
    settled_arguments,
    with_unique_ids,
    without_calls,
)

_OTHER_ERROR = 500


# The events are flat, so that one type decodes all of them. Unknown types of events are ignored:
# the API may add some at any time.


class _Usage(Struct, gc=False):
    """Token counts so far; None means unchanged."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Block(Struct, gc=False):
    """A block at its beginning; its type says which fields are set."""

    type: str = ""
    id: str = ""
    name: str = ""
    text: Prose = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Delta(Struct, gc=False):
    """More of a block, or of the message; its type says which fields are set."""

    type: str = ""
    text: Prose = ""
    partial_json: JSONText = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None


class _Message(Struct, gc=False):
    """The answer at its beginning; from servers that do not stream, all of it."""

    usage: _Usage | None = None
    content: list[_Block] = []
    stop_reason: str | None = None


class _Event(Struct, gc=False):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Event).decode
_lenient = LenientDecoder(_Event)
_whole_message = LenientDecoder(_Message)


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
        size: what was read of the answer, without its text.
    """

    def __init__(self) -> None:
        self.size = AnswerSize()
        self.done = False
        self.cache_writes = 0
        self._open: dict[int, _OpenBlock] = {}
        self._layout: list[LayoutItem] = []
        self._calls: list[ToolCallRequest] = []
        self._reason = ""
        self._answered = False
        self._unexpected = UnexpectedEvents(_OTHER_ERROR)
        self._fresh = self._cached = self._output = 0

    @property
    def complete(self) -> bool:
        """Whether the end of the answer was read."""
        return bool(self._reason) or self.done

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the event is broken, or reports an error.
        """
        try:
            event = _decode(data)
        except UNDECODABLE:
            return self._read_unexpected(data)
        return self._event(event, None, data)

    def _read_unexpected(self, data: bytes) -> str:
        if is_done_marker(data):
            return ""
        events = self._unexpected.objects(data)
        return "".join(self._event(_lenient.convert(event), event, data) for event in events)

    def _event(self, event: _Event, found: JsonObject | None, data: bytes) -> str:
        match event.type or (data.name if isinstance(data, NamedEvent) else ""):
            case "content_block_delta" if event.delta is not None:
                return self._continue_block(event.index, event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._begin_block(event.index, event.content_block)
            case "content_block_stop":
                self._end_block(event.index)
            case "message_start" if event.message is not None:
                return self._whole(event.message)
            case "message_delta":
                self._count(event.usage)
                if event.delta is not None:
                    self._reason = given_reason(event.delta.stop_reason) or self._reason
            case "message_stop":
                self.done = True
            case "ping":
                pass
            case _:
                return self._other(found or loads_object(data), data)
        return ""

    def _other(self, event: JsonObject, data: bytes) -> str:
        """Process an event of an unknown type; it may be a message that was not streamed."""
        if not event.get("type") and "choices" not in event:
            read = _lenient.convert(event)
            if read.delta is not None and (read.delta.text or read.delta.partial_json):
                return self._continue_block(read.index, read.delta)
        if event.get("type") == "message" or ("content" in event and "stop_reason" in event):
            text = self._whole(_whole_message.convert(event))
            self.done = True
            return text
        self._unexpected.unread(event, data)
        return ""

    def _whole(self, message: _Message) -> str:
        self._count(message.usage)
        self._reason = given_reason(message.stop_reason) or self._reason
        text = ""
        for block in message.content:
            text += self._begin_block(-1, block)
            self._end_block(-1)
        return text

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did, or with a failure.
        """
        if not self.complete or not (self._reason or self._answered):
            raise self._unexpected.early_end()
        # A block that was not ended is ended by the end of the message.
        for index in list(self._open):
            self._end_block(index)
        reason = finish_reason(self._reason or "end_turn", answered=self._answered)
        if reason == "tool_use" and not self._calls:
            reason = without_calls(answered=self._answered)
        elif reason == "stop" and self._calls:
            reason = "tool_use"
        usage = Usage(
            token_count(self._fresh + self._cached + self.cache_writes),
            self._output,
            self._cached,
        )
        return [*self._complete_calls(reason), Finished(reason, usage)]

    def _complete_calls(self, reason: FinishReason) -> list[ToolCallRequest]:
        if reason == "refusal" or not self._calls:
            return []
        if reason == "max_output_tokens":
            return complete_calls(self._calls)
        first, *others = with_unique_ids(self._calls)
        return [structs.replace(first, opaque=packed_layout(self._layout)), *others]

    def _begin_block(self, index: int, block: _Block) -> str:
        if index in self._open:
            # Some servers number no blocks, and end none.
            self._end_block(index)
        if block.type in ("text", ""):
            return self._text(block.text)
        if block.type == "tool_use":
            self.size.add_call(len(block.id) + len(block.name) + len(bytes(block.input)))
            self._open[index] = _OpenBlock(block)
        elif block.type == "thinking":
            self.size.add_other(ITEM + len(block.thinking) + len(block.signature))
            self._open[index] = _OpenBlock(block)
        elif block.type == "redacted_thinking":
            self.size.add_other(ITEM + len(block.data))
            self._layout.append({"type": block.type, "data": block.data})
        return ""

    def _text(self, text: str) -> str:
        if not text:
            return ""
        self._answered = True
        layout = self._layout
        if layout and isinstance(layout[-1], int):
            layout[-1] += len(text)
        else:
            layout.append(len(text))
        return text

    def _continue_block(self, index: int, delta: _Delta) -> str:
        if delta.type == "text_delta" or (delta.text and not delta.type):
            return self._text(delta.text)
        opened = self._open.get(index)
        if opened is not None:
            piece = delta.partial_json or delta.thinking
            if opened.block.type == "thinking":
                self.size.add_other(len(piece) + len(delta.signature))
            else:
                self.size.add_arguments(len(piece) + len(delta.signature))
            opened.pieces.append(piece)
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
        if not block.name:
            raise nameless_call()
        self._answered = True
        self._layout.append(None)
        arguments = settled_arguments(rest or arguments_text(block.input))
        self._calls.append(ToolCallRequest(block.id, block.name, arguments))

    def _count(self, usage: _Usage | None) -> None:
        """Store the counts, which are totals; a count that is absent stays as it was."""
        if usage is None:
            return
        if usage.input_tokens is not None:
            self._fresh = token_count(usage.input_tokens)
        if usage.output_tokens is not None:
            self._output = token_count(usage.output_tokens)
        if usage.cache_read_input_tokens is not None:
            self._cached = token_count(usage.cache_read_input_tokens)
        if usage.cache_creation_input_tokens is not None:
            self.cache_writes = token_count(usage.cache_creation_input_tokens)
