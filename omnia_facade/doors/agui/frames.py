"""`POST /ag-ui`: the events of a run.

A client refuses null for an optional field, an event before RUN_STARTED, an event after the end,
and an end while a message is open.
"""

from collections.abc import Mapping, Sequence

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.parts import Media
from omnia_core.conversation.tools import ToolCall
from omnia_core.jsonvalue import JsonObject
from omnia_facade.backend.events import (
    Done,
    Failed,
    MediaChunk,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
)
from omnia_facade.doors import sse
from omnia_facade.doors.agui.request import RESULT_PREFIX
from omnia_facade.doors.parts import MediaPieces, media_url
from omnia_facade.doors.usage import agui_usage

PROTOCOL_VERSION = "1.0"


class RunFrames:
    """Writes the events of one run."""

    __slots__ = ("_before", "_ignored", "_message", "_model", "_pieces", "_run", "_said", "_shown")

    def __init__(
        self,
        thread_id: str,
        run_id: str,
        *,
        model: str,
        message: str,
        show_tools: bool,
        ignored: Mapping[str, Sequence[str]],
    ) -> None:
        """Begin a run.

        Args:
            thread_id: the session.
            run_id: the client's id of the run.
            model: what the usage names as the model.
            message: makes the ids of messages unique in the session.
            show_tools: whether the client sees the tools that the runtime executes.
            ignored: what of the request has no effect, by the name of the event that tells it.
        """
        self._run: JsonObject = {"threadId": thread_id, "runId": run_id}
        self._model = model
        self._message = message
        self._ignored = ignored
        self._said = 0
        self._pieces = MediaPieces()
        # What the events with a piece of the open message have in common; None without a message.
        self._before: sse.TextEvent | None = None
        # Calls of the server whose results are shown too; None shows neither.
        self._shown: set[str] | None = set() if show_tools else None

    def open(self) -> str:
        started = _event("RUN_STARTED", **self._run, protocolVersion=PROTOCOL_VERSION)
        return started + "".join(
            _event("CUSTOM", name=name, value=list(value))
            for name, value in self._ignored.items()
            if value
        )

    def text(self, text: str) -> str:
        if self._before is not None:
            return self._before(text)
        message_id = f"{self._message}-{self._said}"
        begun = _event("TEXT_MESSAGE_START", messageId=message_id, role="assistant")
        named = sse.json_text(message_id)
        before = f'{{"type":"TEXT_MESSAGE_CONTENT","messageId":{named},"delta":'
        self._before = sse.TextEvent(before, "}")
        return begun + self._before(text)

    def event(self, event: TurnEvent) -> str:
        if isinstance(event, ToolCallEvent):
            if not event.by_client:
                if self._shown is None:
                    return ""
                self._shown.add(event.call.id)
            return self._end_text() + _call(event.call)
        if isinstance(event, ToolResultEvent):
            if not self._shown or event.call_id not in self._shown:
                # A result of the client, which knows it.
                return ""
            self._shown.discard(event.call_id)
            return self._end_text() + _event(
                "TOOL_CALL_RESULT",
                messageId=f"{RESULT_PREFIX}{event.call_id}",
                toolCallId=event.call_id,
                content=event.result.content,
                role="tool",
            )
        if isinstance(event, MediaChunk):
            media = self._pieces.add(event)
            return _media(media) if media else ""
        return ""

    def park(self, calls: Sequence[ToolCallEvent]) -> str:
        ids = [event.call.id for event in calls]
        outcome: JsonObject = {"type": "success", "pendingToolCallIds": ids}
        return self._end_text() + _event("RUN_FINISHED", **self._run, outcome=outcome)

    def end(self, outcome: Done | Failed) -> str:
        if isinstance(outcome, Failed):
            return _event("RUN_ERROR", message=outcome.message, code=outcome.code)
        media = "".join(_media(part.media) for part in outcome.parts if part.media)
        cancelled = outcome.finish_reason == CANCELLED
        usage = agui_usage(outcome.usage, self._model)
        more: JsonObject = {"usage": usage} if usage else {}
        finished = _event(
            "RUN_FINISHED",
            **self._run,
            outcome={"type": "cancelled" if cancelled else "success"},
            metadata={"finishReason": outcome.finish_reason},
            **more,
        )
        return media + self._end_text() + finished

    def _end_text(self) -> str:
        if self._before is None:
            return ""
        self._before = None
        ended = _event("TEXT_MESSAGE_END", messageId=f"{self._message}-{self._said}")
        self._said += 1
        return ended


def _call(call: ToolCall) -> str:
    return (
        _event("TOOL_CALL_START", toolCallId=call.id, toolCallName=call.name)
        + _event("TOOL_CALL_ARGS", toolCallId=call.id, delta=call.arguments)
        + _event("TOOL_CALL_END", toolCallId=call.id)
    )


def _media(media: Media) -> str:
    value = {"url": media_url(media), "mimeType": media.mime_type}
    return _event("CUSTOM", name="omnia.media", value=value)


def _event(kind: str, **fields: object) -> str:
    return sse.event({"type": kind, **fields})
