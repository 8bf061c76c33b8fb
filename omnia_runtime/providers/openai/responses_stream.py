"""From the events of a response to the events of a model.

Servers differ in which events they send: a text or a call may stand only in an event that says
that it is complete, or only in the response at the end.
"""

import json

import msgspec
from msgspec import Raw, Struct, field

from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import Finished, ModelEvent, ToolCallRequest
from omnia_runtime.providers.answer_size import ITEM, AnswerSize
from omnia_runtime.providers.finish import finish_reason
from omnia_runtime.providers.lenient import (
    UNDECODABLE,
    JSONText,
    LenientDecoder,
    Prose,
    loads,
    loads_object,
    token_count,
)
from omnia_runtime.providers.openai.begun_calls import BegunCalls
from omnia_runtime.providers.openai.responses import packed_reasoning
from omnia_runtime.providers.sse import NamedEvent
from omnia_runtime.providers.unexpected_events import UnexpectedEvents, is_done_marker
from omnia_runtime.providers.vendor_errors import stream_failure
from omnia_runtime.providers.vendor_stream import (
    complete_calls,
    nameless_call,
    settled_arguments,
    unsaid,
    with_unique_ids,
)

_NOTHING = Raw()
_TEXT = "response.output_text.delta"
_PARAGRAPH = "\n\n"
_ENDED = ("completed", "incomplete")


class _Event(Struct, gc=False):
    """What most events need."""

    type: str = ""
    delta: Prose | None = None
    item: Raw = _NOTHING
    response: Raw = _NOTHING


class _Detail(Struct):
    """The other members of an event, and which part of the answer it belongs to."""

    text: Prose | None = None
    refusal: Prose | None = None
    arguments: JSONText | None = None
    delta: JSONText | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None


class _Content(Struct):
    type: str = ""
    text: Prose | None = None
    refusal: Prose | None = None


class _Item(Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: JSONText | None = None
    status: str | None = None
    content: list[_Content] | None = None


class _Details(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    status: str | None = None
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    output: list[Raw] = field(default_factory=list)


_decode = msgspec.json.Decoder(_Event).decode
_lenient = LenientDecoder(_Event)
_detail = LenientDecoder(_Detail)
_item = LenientDecoder(_Item)
_response = LenientDecoder(_Response)


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
        self._begun: BegunCalls[_Item] = BegunCalls(self.size)
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
            event = _decode(data)
        except UNDECODABLE:
            return self._read_unexpected(data)
        if event.type == _TEXT and event.delta:
            return self._text(event.delta)
        return self._event(event, None, data)

    def _read_unexpected(self, data: bytes) -> str:
        if is_done_marker(data):
            return ""
        events = self._unexpected.objects(data)
        return "".join(self._event(_lenient.convert(event), event, data) for event in events)

    def _text(self, text: str) -> str:
        if self._separator:
            text, self._separator = self._separator + text, ""
        self._pieces.append(text)
        return text

    def _rest(self, whole: str | None, start: int) -> str:
        """Return what was not streamed of a text whose first piece is that at `start`."""
        said = "".join(self._pieces[start:])
        if not whole or said.endswith(whole):
            return ""
        rest = unsaid(whole, said.removeprefix(_PARAGRAPH))
        return self._text(rest) if rest else ""

    def _event(self, event: _Event, found: JsonObject | None, data: bytes) -> str:
        match event.type or (data.name if isinstance(data, NamedEvent) else ""):
            case "response.output_text.delta":
                return self._text(event.delta) if event.delta else ""
            case "response.refusal.delta":
                self._refused = True
                return self._text(event.delta) if event.delta else ""
            case "response.output_text.done":
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
            case "response.output_item.done" if event.item is not _NOTHING:
                return self._item(event.item)
            case "response.completed" | "response.incomplete" | "response.done":
                return self._end(event)
            case "response.failed" | "response.cancelled" | "response.error":
                event_object = found or loads_object(data) or {}
                raise stream_failure(event_object.get("response") or event_object)
            case kind if not kind.startswith("response."):
                return self._other(found or loads_object(data) or {}, data)
            case _:
                # A summary of the reasoning, or of an item that is not known here, is progress.
                self.size.total += len(event.delta or "")
        return ""

    def _part(self, data: bytes) -> str:
        """Read a complete part of a message."""
        part = _detail.convert(loads_object(data))
        key = f"{part.item_id}/{part.output_index}/{part.content_index}"
        if key in self._items:
            return ""
        self._mark(key)
        text = self._rest(part.text or part.refusal, self._part_at)
        self._part_at = len(self._pieces)
        return text

    def _other(self, event: JsonObject, data: bytes) -> str:
        """Process an event of an unknown type; it may be a whole response that was not streamed."""
        response = event if event.get("object") == "response" else event.get("response")
        if isinstance(response, dict):
            if response.get("error") or response.get("status") in ("failed", "cancelled"):
                raise stream_failure(response)
            output, status = response.get("output"), response.get("status")
            if isinstance(output, list) and (output or status in _ENDED or response is event):
                return self._finish(_response.convert(response))
        self._unexpected.unread(event, data)
        return ""

    def _mark(self, key: str) -> None:
        """Remember that an item was read."""
        self.size.add_other(ITEM + len(key))
        self._items.add(key)

    def _call_piece(self, data: bytes) -> None:
        event = loads_object(data) or {}
        piece, added = _detail.convert(event), _item.convert(event.get("item"))
        if added.type not in ("function_call", ""):
            return
        key = piece.item_id or added.id or f"#{piece.output_index}"
        self._begun.begin(key, added, added.name or "", added.arguments or "")
        self._begun.add(key, piece.delta or "", piece.arguments)

    def _calls_in_pieces(self) -> None:
        """Put together the calls of servers that do not send their items when complete."""
        for key, begun in self._begun.items():
            item = begun.item
            if key not in self._items and (item.name or not self._calls):
                item.arguments = begun.arguments
                self._call(item, begun.length)

    def _item(self, raw: Raw) -> str:
        found = loads(bytes(raw))
        item = _item.convert(found)
        if item.type == "reasoning":
            self._reason_with(found)
        elif item.type == "message":
            return self._message(item)
        elif item.type == "function_call":
            self._call(item)
        return ""

    def _message(self, item: _Item) -> str:
        """Read a complete message; the text of a further message is a new paragraph."""
        repeated = bool(item.id) and item.id in self._items
        self._mark(item.id or "")
        text = "" if repeated else self._rest(self._content(item), self._message_at)
        self._message_at = self._part_at = len(self._pieces)
        self._separator = _PARAGRAPH if self._pieces else ""
        return text

    def _content(self, item: _Item) -> str:
        contents = item.content or []
        self._refused = self._refused or any(content.refusal for content in contents)
        return "".join((content.text or "") + (content.refusal or "") for content in contents)

    def _reason_with(self, item: object) -> None:
        encoded = _encoded(item)
        self.size.add_other(ITEM + len(bytes(encoded)))
        self._reasoning.append(encoded)

    def _call(self, item: _Item, counted: int = 0) -> None:
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

    def _end(self, event: _Event) -> str:
        found = loads_object(bytes(event.response)) or {}
        if found.get("error") or found.get("status") in ("failed", "cancelled"):
            raise stream_failure(found)
        response = _response.convert(found)
        if event.type == "response.incomplete" and not response.status:
            response.status = "incomplete"
        return self._finish(response)

    def _finish(self, response: _Response) -> str:
        """Read the response at the end, with what was not streamed of it."""
        self.done = True
        found = [loads(bytes(raw)) for raw in response.output]
        items = [_item.convert(item) for item in found]
        messages = [self._content(item) for item in items if item.type == "message"]
        self._separator = ""
        text = self._rest(_PARAGRAPH.join(part for part in messages if part), 0)
        for value, item in zip(found, items, strict=True):
            if item.type == "function_call":
                self._call(item)
            elif item.type == "reasoning" and not self._calls:
                self._reason_with(value)
        details = response.incomplete_details
        if details and details.reason:
            self._reason = details.reason
        elif response.status == "incomplete":
            self._reason = "max_output_tokens"
        self._count(response.usage or _Usage())
        return text

    def _count(self, usage: _Usage) -> None:
        details = usage.input_tokens_details or _Details()
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


def _encoded(item: object) -> Raw:
    return Raw(json.dumps(item, ensure_ascii=False).encode())
