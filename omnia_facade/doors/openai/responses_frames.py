"""`POST /v1/responses`: the answer of a turn, as a stream of events or as one object."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Raw, Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject, parse_json
from omnia_facade.backend.events import Done, Failed, RequestTool, ToolCallEvent, TurnEvent
from omnia_facade.doors import sse
from omnia_facade.doors.usage import response_usage

_INCOMPLETE: Mapping[str, str] = {
    "max_output_tokens": "max_output_tokens",
    "safety": "content_filter",
}
_COMPLETED = "completed"
_IN_PROGRESS = "in_progress"


class ResponseHead(Struct, frozen=True):
    """What a response says from its beginning on.

    Attributes:
        number: makes the ids of its items unique.
        created: seconds since 1970.
    """

    id: str
    number: str
    session_id: str
    model: str
    created: int
    previous: str | None = None
    metadata: Mapping[str, str] = {}
    tools: tuple[RequestTool, ...] = ()
    background: bool = False

    def document(
        self,
        status: str,
        output: Sequence[JsonObject] = (),
        *,
        completed: int | None = None,
        usage: Usage | None = None,
        error: JsonObject | None = None,
        incomplete: str | None = None,
    ) -> JsonObject:
        """Return the response with every field that the API requires.

        The parameters of the model are those of the agent's Provider, which a client cannot
        change: the API's own defaults stand in for them.
        """
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": completed,
            "status": status,
            "background": self.background,
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "model": self.model,
            "previous_response_id": self.previous,
            "conversation": {"id": self.session_id},
            "instructions": None,
            "output": list(output),
            "error": error,
            "tools": [_tool_document(tool) for tool in self.tools],
            "tool_choice": "auto",
            "truncation": "disabled",
            "parallel_tool_calls": True,
            "text": {"format": {"type": "text"}},
            "top_p": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "top_logprobs": 0,
            "temperature": 1.0,
            "reasoning": None,
            "user": None,
            "usage": response_usage(usage),
            "max_output_tokens": None,
            "max_tool_calls": None,
            "store": True,
            "service_tier": "default",
            "metadata": dict(self.metadata),
            "safety_identifier": None,
            "prompt_cache_key": None,
        }


class ResponseFrames:
    """Writes the events of one answer, and has the response as it is so far.

    The numbers of the events depend on the pieces of the answer alone, so a stream that is written
    again from the beginning has the same ones. Events up to a number may be left out.

    Attributes:
        document: the response after the last event.
    """

    __slots__ = ("_after", "_head", "_item", "_now", "_output", "_sequence", "_texts", "document")

    def __init__(
        self, head: ResponseHead, now: Callable[[], float] = time.time, after: int = -1
    ) -> None:
        """Begin a response.

        Args:
            head: what it begins with.
            now: returns seconds since 1970.
            after: events up to this number are not written.
        """
        self._head = head
        self._now = now
        self._after = after
        self._sequence = 0
        self._output: list[JsonObject] = []
        self._texts: list[str] = []
        # The message item that is being written; "" between two of them.
        self._item = ""
        self.document = head.document(_IN_PROGRESS)

    def open(self) -> str:
        started = self._event("response.created", response=self.document)
        return started + self._event("response.in_progress", response=self.document)

    def text(self, text: str) -> str:
        begun = "" if self._item else self._begin_message()
        self._texts.append(text)
        number = self._sequence
        self._sequence += 1
        if number <= self._after:
            return begun
        return (
            f"{begun}event: response.output_text.delta\n"
            f'data: {{"type":"response.output_text.delta","item_id":"{self._item}",'
            f'"output_index":{len(self._output)},"content_index":0,"logprobs":[],'
            f'"sequence_number":{number},"delta":{sse.json_text(text)}}}\n\n'
        )

    def event(self, event: TurnEvent) -> str:
        # The server's own tools have no place in this API.
        return (
            self._call(event.call) if isinstance(event, ToolCallEvent) and event.by_client else ""
        )

    def park(self, calls: Sequence[ToolCallEvent]) -> str:  # noqa: ARG002 - they were shown
        ended = self._end_message(_COMPLETED)
        now = int(self._now())
        return ended + self._end(_COMPLETED, "response.completed", completed=now)

    def end(self, outcome: Done | Failed) -> str:
        if isinstance(outcome, Failed):
            return self._failed(outcome)
        incomplete = _INCOMPLETE.get(outcome.finish_reason)
        if outcome.finish_reason == CANCELLED:
            status, name = "cancelled", "response.incomplete"
        elif incomplete:
            status, name = "incomplete", "response.incomplete"
        else:
            status, name = _COMPLETED, "response.completed"
            if not self._item and not self._output:
                # A response has an output, even if the agent said nothing.
                self._output.append(_message_document(self._message_id(), _COMPLETED, ""))
        end = self._end_message(_COMPLETED if status == _COMPLETED else "incomplete")
        completed = int(self._now()) if status == _COMPLETED else None
        return end + self._end(
            status, name, completed=completed, usage=outcome.usage, incomplete=incomplete
        )

    def so_far(self) -> JsonObject:
        """Return the response with what is said and not ended yet."""
        if not self._item:
            return self._head.document(_IN_PROGRESS, self._output)
        begun = _message_document(self._item, _IN_PROGRESS, "".join(self._texts))
        return self._head.document(_IN_PROGRESS, [*self._output, begun])

    def _call(self, call: ToolCall) -> str:
        before = self._end_message(_COMPLETED)
        index = len(self._output)
        item: JsonObject = {
            "id": f"fc_{self._head.number}_{index}",
            "type": "function_call",
            "status": _IN_PROGRESS,
            "call_id": call.id,
            "name": call.name,
            "arguments": "",
        }
        place: JsonObject = {"item_id": item["id"], "output_index": index}
        whole: JsonObject = {**item, "status": _COMPLETED, "arguments": call.arguments}
        kind = "response.function_call_arguments"
        events = (
            self._event("response.output_item.added", output_index=index, item=item)
            + self._event(f"{kind}.delta", **place, delta=call.arguments)
            + self._event(f"{kind}.done", **place, arguments=call.arguments, name=call.name)
            + self._event("response.output_item.done", output_index=index, item=whole)
        )
        self._output.append(whole)
        return before + events

    def _failed(self, failed: Failed) -> str:
        limited = failed.code == ErrorCode.RATE_LIMITED
        code = "rate_limit_exceeded" if limited else "server_error"
        error: JsonObject = {"code": code, "message": failed.message}
        end = self._end_message("incomplete")
        return end + self._end("failed", "response.failed", error=error)

    def _message_id(self) -> str:
        return f"msg_{self._head.number}_{len(self._output)}"

    def _begin_message(self) -> str:
        self._item = self._message_id()
        index = len(self._output)
        item = {**_message_document(self._item, _IN_PROGRESS, ""), "content": []}
        added = self._event("response.output_item.added", output_index=index, item=item)
        return added + self._event(
            "response.content_part.added",
            item_id=self._item,
            output_index=index,
            content_index=0,
            part=_text_document(""),
        )

    def _end_message(self, status: str) -> str:
        if not self._item:
            return ""
        text, index = "".join(self._texts), len(self._output)
        place: JsonObject = {"item_id": self._item, "output_index": index, "content_index": 0}
        item = _message_document(self._item, status, text)
        self._texts.clear()
        self._item = ""
        self._output.append(item)
        return (
            self._event("response.output_text.done", **place, text=text, logprobs=[])
            + self._event("response.content_part.done", **place, part=_text_document(text))
            + self._event("response.output_item.done", output_index=index, item=item)
        )

    def _end(self, status: str, name: str, **more: Any) -> str:
        self.document = self._head.document(status, self._output, **more)
        return self._event(name, response=self.document)

    def _event(self, kind: str, **fields: Any) -> str:
        number = self._sequence
        self._sequence += 1
        if number <= self._after:
            return ""
        return sse.event({"type": kind, "sequence_number": number, **fields}, kind)


def input_items(given: Raw | bytes, number: str) -> list[JsonObject]:
    """Return the items of a request's input with an id each, for `GET …/input_items`."""
    value = parse_json(bytes(given))
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    items: list[JsonObject] = []
    for index, item in enumerate(value):
        listed: JsonObject = {"type": "message", "id": f"in_{number}_{index}", **item}
        if listed["type"] == "message":
            listed.setdefault("status", _COMPLETED)
            if isinstance(listed.get("content"), str):
                said_by_agent = listed.get("role") == "assistant"
                kind = "output_text" if said_by_agent else "input_text"
                listed["content"] = [{"type": kind, "text": listed["content"]}]
        items.append(listed)
    return items


def _text_document(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message_document(item_id: str, status: str, text: str) -> JsonObject:
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [_text_document(text)],
    }


def _tool_document(tool: RequestTool) -> JsonObject:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description or None,
        "parameters": parse_json(tool.parameters),
        "strict": None,
    }
