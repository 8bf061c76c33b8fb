"""From the events of a Responses API stream to the events of a model."""

import msgspec
from msgspec import Raw, Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.failure import VendorFailure
from omnia_runtime.providers.openai.failure import stream_failure
from omnia_runtime.providers.openai.responses_reasoning import remembered

_NOTHING = Raw()
_TEXT = "response.output_text.delta"
_REASONS: dict[str, FinishReason] = {
    "max_output_tokens": "max_output_tokens",
    "content_filter": "safety",
}


class _Event(Struct, gc=False):
    type: str
    delta: str | None = None
    item: Raw = _NOTHING
    response: Raw = _NOTHING
    error: Raw = _NOTHING


class _Item(Struct):
    type: str
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    status: str | None = None


class _Details(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _Details | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Raw = _NOTHING


_decode = msgspec.json.Decoder(_Event).decode


class ResponseStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the answer is complete.
        written_tokens: input tokens that were written to the vendor's cache.
    """

    def __init__(self, model: str) -> None:
        self.done = False
        self.written_tokens = 0
        self._model = model
        self._thoughts: list[Raw] = []
        self._calls: list[ToolCallRequest] = []
        self._reason: FinishReason = "stop"
        self._refused = False
        self._spoken = False
        self._between = ""
        self._usage = Usage()

    def read(self, data: bytes) -> str:
        """Take the data of an event, and return the text in it.

        Raises:
            VendorFailure: it is no event, or it reports an error.
        """
        try:
            event = _decode(data)
            if event.type == _TEXT and event.delta:
                return self._say(event.delta)
            return self._other(event, data)
        except msgspec.DecodeError as error:
            if data == b"[DONE]":
                return ""
            raise VendorFailure(f"sent what is no event: {error}") from error

    def _say(self, text: str) -> str:
        self._spoken = True
        if self._between:
            text, self._between = self._between + text, ""
        return text

    def _other(self, event: _Event, data: bytes) -> str:
        match event.type:
            case "response.refusal.delta":
                self._refused = True
                return self._say(event.delta or "")
            case "response.output_item.done":
                self._item(event.item)
            case "response.completed" | "response.incomplete":
                self._end(msgspec.json.decode(event.response, type=_Response))
            case "response.failed":
                failed = msgspec.json.decode(event.response, type=_Response)
                raise stream_failure(bytes(failed.error))
            case "error":
                raise stream_failure(bytes(event.error) or data)
            case _:
                pass
        return ""

    def _item(self, raw: Raw) -> None:
        item = msgspec.json.decode(raw, type=_Item)
        if item.type == "reasoning":
            self._thoughts.append(raw.copy())
        elif item.type == "message":
            # the words of a further message are another paragraph
            self._between = "\n\n" if self._spoken else ""
        # a call that was cut by the token limit has half of its arguments
        elif item.type == "function_call" and item.status != "incomplete":
            opaque = remembered(self._model, self._thoughts)
            self._thoughts = []
            self._calls.append(
                ToolCallRequest(item.call_id, item.name, item.arguments or "{}", opaque)
            )

    def _end(self, response: _Response) -> None:
        self.done = True
        if response.incomplete_details:
            self._reason = _REASONS.get(response.incomplete_details.reason or "", "stop")
        elif self._calls:
            self._reason = "tool_use"
        usage = response.usage or _Usage()
        details = usage.input_tokens_details or _Details()
        self.written_tokens = details.cache_write_tokens or 0
        self._usage = Usage(usage.input_tokens, usage.output_tokens, details.cached_tokens or 0)

    def finish(self) -> list[ModelEvent]:
        """Return what remains to be said when the stream has ended.

        Raises:
            VendorFailure: it ended before the answer did.
        """
        if not self.done:
            raise VendorFailure("ended its stream before its answer", retry=True)
        return [*self._calls, Finished("refusal" if self._refused else self._reason, self._usage)]
