"""From the events of a Messages stream to the events of a model."""

import msgspec
from msgspec import structs

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.claude import events
from omnia_runtime.providers.claude.thinking import Item, kept_layout
from omnia_runtime.providers.failure import VendorFailure

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


class _Open:
    """A block that is not complete yet."""

    __slots__ = ("block", "pieces", "signature")

    def __init__(self, block: events.Block) -> None:
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
        self._open: dict[int, _Open] = {}
        self._layout: list[Item] = []
        self._calls: list[ToolCallRequest] = []
        self._reason: str | None = None
        self._fresh = self._cached = self._output = 0

    def read(self, data: bytes) -> str:
        """Take the data of an event, and return the text in it.

        Raises:
            VendorFailure: it is no event of the API, or it reports an error.
        """
        try:
            event = events.decode(data)
        except msgspec.DecodeError as error:
            raise VendorFailure(f"sent what is no event of a message: {error}") from error
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._more(event.index, event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._begin(event.index, event.content_block)
            case "content_block_stop":
                self._end(event.index)
            case "message_start" if event.message is not None:
                self._count(event.message.usage)
            case "message_delta":
                self._count(event.usage)
                self._reason = (event.delta and event.delta.stop_reason) or self._reason
            case "message_stop":
                self.done = True
            case "error":
                raise _failure(event.error or events.Error())
            case _:
                pass
        return ""

    def finish(self) -> list[ModelEvent]:
        """Return what remains to be said when the stream has ended.

        Raises:
            VendorFailure: it ended before the answer did.
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
            # the limit may have cut the last call in the middle of its arguments
            return [call for call in self._calls if _is_json(call.arguments)]
        first, *others = self._calls
        return [structs.replace(first, opaque=kept_layout(self._layout)), *others]

    def _begin(self, index: int, block: events.Block) -> str:
        if block.type == "text":
            return self._say(block.text)
        if block.type in ("tool_use", "thinking"):
            self._open[index] = _Open(block)
        elif block.type == "redacted_thinking":
            self._layout.append({"type": block.type, "data": block.data})
        return ""

    def _say(self, text: str) -> str:
        layout = self._layout
        if layout and isinstance(layout[-1], int):
            layout[-1] += len(text)
        else:
            layout.append(len(text))
        return text

    def _more(self, index: int, delta: events.Delta) -> str:
        if delta.type == "text_delta":
            return self._say(delta.text)
        block = self._open.get(index)
        if block is not None:
            block.pieces.append(delta.partial_json or delta.thinking)
            block.signature = delta.signature or block.signature
        return ""

    def _end(self, index: int) -> None:
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

    def _count(self, usage: events.Usage | None) -> None:
        """Take the counts, which are totals; one that is left out stays as it was."""
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


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _failure(error: events.Error) -> VendorFailure:
    status = _STATUS.get(error.type, _OTHER_ERROR)
    return VendorFailure(f"broke off: {error.message or error.type or 'an error'}", status=status)
