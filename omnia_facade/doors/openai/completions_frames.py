"""`POST /v1/chat/completions`: the answer of a turn, as a stream of chunks or as one object."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.backend.events import Done, Failed, ToolCallEvent, TurnEvent
from omnia_facade.doors import sse
from omnia_facade.doors.errors import failure_of
from omnia_facade.doors.openai.refusals import error_document
from omnia_facade.doors.usage import completion_usage

TOOL_CALLS = "tool_calls"
_CHUNK = "chat.completion.chunk"
_FINISH_REASONS: Mapping[str, str] = {
    "max_output_tokens": "length",
    "safety": "content_filter",
    "refusal": "content_filter",
}


class Completion(Struct, frozen=True):
    """What all chunks of an answer say.

    Attributes:
        created: seconds since 1970.
    """

    id: str
    model: str
    created: int

    def document(self, kind: str) -> JsonObject:
        """Return the beginning of a chunk or of the whole object."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def finish_reason(reason: str) -> str:
    """Return the finish reason of a chat completion for one of ours."""
    return _FINISH_REASONS.get(reason, "stop")


class CompletionFrames:
    """Writes the chunks of one answer."""

    __slots__ = ("_completion", "_include_usage", "text")

    def __init__(self, completion: Completion, *, include_usage: bool) -> None:
        """With `include_usage` every chunk has a usage, which the last one fills."""
        self._completion = completion
        self._include_usage = include_usage
        # A piece of text is put between what its chunks have in common.
        chunk = json_bytes(self._chunk({"content": ""}, None)).decode()
        before, after = chunk.rsplit('"content":""', 1)
        self.text = sse.TextEvent(f'{before}"content":', after)

    def open(self) -> str:
        return sse.event(self._chunk({"role": "assistant", "content": ""}, None))

    def event(self, event: TurnEvent) -> str:  # noqa: ARG002 - the port's
        # The server's own tools have no place in this API, and `park` shows the client's.
        return ""

    def park(self, calls: Sequence[ToolCallEvent]) -> str:
        listed = [
            {"index": index, **call_document(event.call)} for index, event in enumerate(calls)
        ]
        return sse.event(self._chunk({"tool_calls": listed}, None)) + self._end(TOOL_CALLS, None)

    def end(self, outcome: Done | Failed) -> str:
        if isinstance(outcome, Failed):
            return sse.event(error_document(failure_of(outcome, begun=True)))
        if outcome.finish_reason == CANCELLED:
            # A cancelled answer has no end.
            return ""
        return self._end(finish_reason(outcome.finish_reason), outcome.usage)

    def _end(self, reason: str, usage: Usage | None) -> str:
        end = sse.event(self._chunk({}, reason))
        if self._include_usage:
            last = {**self._completion.document(_CHUNK), "choices": []}
            end += sse.event({**last, "usage": completion_usage(usage)})
        return end + sse.DONE

    def _chunk(self, delta: JsonObject, reason: str | None) -> JsonObject:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._completion.document(_CHUNK), "choices": [choice]}
        return {**chunk, "usage": None} if self._include_usage else chunk


def call_document(call: ToolCall) -> JsonObject:
    """Return a call of a message."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def completion_document(
    completion: Completion, text: str, done: Done | None, calls: Sequence[ToolCall] = ()
) -> JsonObject:
    """Return the whole answer.

    Args:
        completion: what it begins with.
        text: what the agent said.
        done: the end of the turn; None while it waits for the client's tools.
        calls: of these tools.
    """
    refused = done is not None and done.finish_reason == "refusal"
    message: JsonObject = {
        "role": "assistant",
        "content": text if text or not calls else None,
        "refusal": text if refused else None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = [call_document(call) for call in calls]
    reason = finish_reason(done.finish_reason) if done else TOOL_CALLS
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {
        **completion.document("chat.completion"),
        "choices": [choice],
        "usage": completion_usage(done.usage if done else None),
    }
