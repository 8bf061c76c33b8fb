"""From the events of a response to the events of a model.

Servers differ in which events they send: a text or a call may stand only in an event that says
that it is complete, or only in the response at the end.
"""

from msgspec import Raw

from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.answer_size import ITEM, AnswerSize
from omnia_runtime.providers.finish import finish_reason
from omnia_runtime.providers.lenient import UNDECODABLE, loads, loads_object, token_count
from omnia_runtime.providers.openai.begun_calls import BegunCalls
from omnia_runtime.providers.openai.responses import packed_reasoning
from omnia_runtime.providers.openai.responses_events import (
    NOTHING,
    FinalResponse,
    ResponseContent,
    ResponseEvent,
    ResponseItem,
    ResponseTokenDetails,
    ResponseTokens,
    decode_event,
    lenient_detail,
    lenient_event,
    lenient_item,
    lenient_response,
)
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.unexpected_events import UnexpectedEvents, is_done_marker
from omnia_runtime.providers.vendor_errors import is_reported, stream_failure
from omnia_runtime.providers.vendor_stream import (
    complete_calls,
    nameless_call,
    settled_arguments,
    unsaid,
    with_unique_ids,
)

_PARAGRAPH = "\n\n"
_ENDED = ("completed", "incomplete")


class ResponseStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the rest of the stream need not be read.
        cache_writes: input tokens that were written to the vendor's cache.
        size: what was read of the answer, without its text.
    """

    def __init__(self, model: str) -> None:
        self.size = AnswerSize()
        self.done = False
        self.cache_writes = 0
        self._model = model
        self._reasoning: list[Raw] = []
        self._calls: list[ToolCallRequest] = []
        # The calls in pieces, which matter only if their item is never complete.
        self._begun: BegunCalls[ResponseItem] = BegunCalls(self.size)
        # The ids of the calls that were read, and the keys of the messages and their parts.
        self._called: set[str] = set()
        self._items: set[str] = set()
        self._reason = ""
        self._refused = False
        self._pieces: list[str] = []
        self._message_at = self._part_at = 0
        self._separator = ""
        self._usage = Usage()
        self._unexpected = UnexpectedEvents()

    @property
    def complete(self) -> bool:
        """Whether the end of the answer was read."""
        return self.done

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the event is broken, or reports an error.
        """
        try:
            event = decode_event(data)
        except UNDECODABLE:
            return self._read_unexpected(data)
        return self._event(event, None, data)

    def _read_unexpected(self, data: bytes) -> str:
        if is_done_marker(data):
            return ""
        events = self._unexpected.objects(data)
        return "".join(self._event(lenient_event.convert(event), event, data) for event in events)

    def _text(self, text: str | None) -> str:
        if not text:
            return ""
        if self._separator:
            text, self._separator = self._separator + text, ""
        self._pieces.append(text)
        return text

    def _rest(self, whole: str | None, start: int) -> str:
        """Return what was not streamed of a text whose first piece is that at `start`."""
        said = "".join(self._pieces[start:]).removeprefix(_PARAGRAPH)
        return self._text(unsaid(whole or "", said))

    def _event(self, event: ResponseEvent, found: JsonObject | None, data: bytes) -> str:
        match event.type or (data.name if isinstance(data, NamedEvent) else ""):
            case "response.output_text.delta":
                return self._text(event.delta)
            case "response.refusal.delta":
                self._refused = True
                return self._text(event.delta)
            case "response.output_text.done" | "response.content_part.done":
                return self._part(data)
            case "response.refusal.done":
                self._refused = True
                return self._part(data)
            case (
                "response.output_item.added"
                | "response.function_call_arguments.delta"
                | "response.function_call_arguments.done"
            ):
                self._call_piece(data)
            case "response.output_item.done" if event.item is not NOTHING:
                return self._item(event.item)
            case "response.completed" | "response.incomplete" | "response.done":
                return self._end(event, data)
            case "response.failed" | "response.cancelled" | "response.error":
                event_object = found or loads_object(data)
                raise stream_failure(event_object.get("response") or event_object)
            case kind if not kind.startswith("response."):
                return self._other(found or loads_object(data), data)
            case _:
                # A summary of the reasoning, or of an item that is not known here, is progress.
                self.size.total += len(event.delta or "")
        return ""

    def _part(self, data: bytes) -> str:
        """Read a complete part of a message."""
        part = lenient_detail.convert(loads_object(data))
        key = f"{part.item_id}/{part.output_index}/{part.content_index}"
        if key in self._items:
            return ""
        self._mark(key)
        inner = part.part or ResponseContent()
        self._refused = self._refused or bool(inner.refusal)
        whole = part.text or part.refusal or _text_of(inner)
        if (
            part.part
            and self._part_at == len(self._pieces)
            and "".join(self._pieces).endswith(whole)
        ):
            # The event of its text came just before, with another id.
            return ""
        text = self._rest(whole, self._part_at)
        self._part_at = len(self._pieces)
        return text

    def _other(self, event: JsonObject, data: bytes) -> str:
        """Process an event of an unknown type; it may be a whole response that was not streamed."""
        response = event if isinstance(event.get("output"), list) else event.get("response")
        if isinstance(response, dict):
            _raise_failure(response)
            output, status = response.get("output"), response.get("status")
            if isinstance(output, list) and (output or status in _ENDED):
                return self._finish(lenient_response.convert(response))
        self._unexpected.unread(event, data)
        return ""

    def _mark(self, key: str) -> None:
        """Remember that an item was read."""
        self.size.add_other(ITEM + len(key))
        self._items.add(key)

    def _call_piece(self, data: bytes) -> None:
        event = loads_object(data)
        piece = lenient_detail.convert(event)
        added = lenient_item.convert(event.get("item"))
        if added.type not in ("function_call", ""):
            return
        item_id, begins = piece.item_id or added.id, bool(added.type)
        key = self._begun.key(item_id, piece.output_index, begins=begins)
        self._begun.begin(key, added, added.name or "", added.arguments or "")
        self._begun.add(key, piece.delta, piece.arguments)

    def _calls_in_pieces(self) -> None:
        """Put together the calls of servers that do not send their items when complete."""
        for key, begun in self._begun.items():
            item = begun.item
            if key in self._items or not (item.name or begun.arguments):
                continue
            if item.name or not self._calls:
                item.arguments = begun.arguments
                self._call(item, begun.length)

    def _item(self, raw: Raw) -> str:
        item = lenient_item.convert(loads(bytes(raw)))
        if item.type == "reasoning":
            self._reason_with(raw)
        elif item.type == "message" or (not item.type and item.content):
            return self._message(item)
        elif item.type == "function_call":
            self._call(item)
        return ""

    def _message(self, item: ResponseItem) -> str:
        """Read a complete message; the text of a further message is a new paragraph."""
        repeated = bool(item.id) and item.id in self._items
        self._mark(item.id or "")
        text = "" if repeated else self._rest(self._content(item), self._message_at)
        self._message_at = self._part_at = len(self._pieces)
        self._separator = _PARAGRAPH if self._pieces else ""
        return text

    def _content(self, item: ResponseItem) -> str:
        contents = item.content or []
        self._refused = self._refused or any(content.refusal for content in contents)
        return "".join(map(_text_of, contents))

    def _reason_with(self, item: Raw) -> None:
        self.size.add_other(ITEM + len(bytes(item)))
        self._reasoning.append(item)

    def _call(self, item: ResponseItem, counted: int = 0) -> None:
        """Read a complete call; `counted` characters of its arguments were counted in pieces."""
        call_id = item.call_id or item.id or ""
        counted = self._begun.end(item.id or "") or counted
        self._mark(item.id or "")
        # A call that the token limit cut has half of its arguments.
        if item.status == "incomplete" or (call_id and call_id in self._called):
            return
        if not item.name:
            raise nameless_call()
        rest = max(len(item.arguments or "") - counted, 0)
        self.size.add_call(len(call_id) + len(item.name) + rest)
        self._called.add(call_id)
        arguments = settled_arguments(item.arguments or "{}")
        opaque = packed_reasoning(self._model, self._reasoning)
        self._reasoning = []
        self._calls.append(ToolCallRequest(call_id, item.name, arguments, opaque))

    def _end(self, event: ResponseEvent, data: bytes) -> str:
        # Some servers send the response itself, without the object around it.
        found = loads_object(bytes(event.response)) or loads_object(data)
        _raise_failure(found)
        response = lenient_response.convert(found)
        if event.type == "response.incomplete":
            response.status = "incomplete"
        return self._finish(response)

    def _finish(self, response: FinalResponse) -> str:
        """Read the response at the end, with what was not streamed of it."""
        items = [lenient_item.convert(loads(bytes(raw))) for raw in response.output]
        messages = [self._content(item) for item in items if item.type in ("message", "")]
        self._separator = ""
        whole = _PARAGRAPH.join(part for part in messages if part) or response.output_text
        text = self._rest(whole, 0)
        for raw, item in zip(response.output, items, strict=True):
            if item.type == "function_call":
                self._call(item)
            elif item.type == "reasoning" and not self._calls:
                self._reason_with(raw)
        details = response.incomplete_details
        if details and details.reason:
            self._reason = details.reason
        elif response.status == "incomplete":
            self._reason = "max_output_tokens"
        self._count(response.usage or ResponseTokens())
        self.done = True
        return text

    def _count(self, usage: ResponseTokens) -> None:
        details = usage.input_tokens_details or ResponseTokenDetails()
        self.cache_writes = token_count(details.cache_write_tokens)
        self._usage = Usage(
            token_count(usage.input_tokens),
            token_count(usage.output_tokens),
            token_count(details.cached_tokens),
        )

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did, or with a failure.
        """
        if not self.done:
            raise self._unexpected.early_end()
        self._calls_in_pieces()
        answered = bool(self._pieces or self._calls)
        reason = finish_reason(self._reason or "stop", answered=answered)
        calls = with_unique_ids(self._calls)
        if self._refused:
            reason = "refusal"
        elif calls and reason == "stop":
            reason = "tool_use"
        if reason == "max_output_tokens":
            calls = complete_calls(calls)
        return [*calls, Finished(reason, self._usage)]


def _text_of(content: ResponseContent) -> str:
    if content.type.startswith("reasoning"):
        return ""
    return (content.text or "") + (content.refusal or "")


def _raise_failure(response: JsonObject) -> None:
    if is_reported(response.get("error")) or response.get("status") in ("failed", "cancelled"):
        raise stream_failure(response)
