"""The events of a run as the UI message stream of the AI SDK."""

from collections.abc import Sequence

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.tools import ToolCall
from omnia_core.sse.ui_messages import DONE, UIMessageWriter
from omnia_facade.backend.events import (
    Done,
    Failed,
    MediaChunk,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
)
from omnia_facade.doors.parts import MediaPieces
from omnia_facade.doors.usage import omnia_usage


class ChatFrames:
    """Writes one response. The message has the same id in all responses of a run."""

    __slots__ = ("_calls", "_pieces", "_session_id", "_show_tools", "_writer", "text")

    def __init__(self, run_id: str, session_id: str, *, show_tools: bool) -> None:
        """`show_tools`: whether the client sees the tools that the runtime executes."""
        self._writer = UIMessageWriter(f"msg_{run_id}")
        self._session_id = session_id
        self._show_tools = show_tools
        self._calls: dict[str, ToolCallEvent] = {}
        self._pieces = MediaPieces()
        # Bound once: it is called with each piece.
        self.text = self._writer.text

    def open(self) -> str:
        return self._writer.start({"sessionId": self._session_id})

    def event(self, event: TurnEvent) -> str:
        match event:
            case ToolCallEvent():
                if event.by_client:
                    self._calls[event.call.id] = event
                    return self._writer.client_tool_called(event.call)
                if self._show_tools:
                    self._calls[event.call.id] = event
                    return self._writer.tool_called(event.call)
            case ToolResultEvent():
                call = self._calls.pop(event.call_id, None)
                if call is not None:
                    return self._writer.tool_answered(
                        ToolCall(event.call_id, ""), event.result, by_client=call.by_client
                    )
            case MediaChunk():
                media = self._pieces.add(event)
                return self._writer.file(media) if media else ""
            case _:
                return ""
        return ""

    def park(self, calls: Sequence[ToolCallEvent]) -> str:  # noqa: ARG002 - they were shown
        return self._writer.end_answer() + self._writer.finish("tool_calls") + DONE

    def end(self, outcome: Done | Failed) -> str:
        writer = self._writer
        if isinstance(outcome, Failed):
            return writer.error(outcome.message) + DONE
        media = "".join(writer.file(part.media) for part in outcome.parts if part.media)
        session = {
            "session_id": self._session_id,
            "usage": omnia_usage(outcome.usage),
            "finish_reason": outcome.finish_reason,
            "persisted": True,
        }
        last = (
            writer.abort()
            if outcome.finish_reason == CANCELLED
            else writer.finish(outcome.finish_reason)
        )
        return media + writer.end_answer() + writer.data("session", session) + last + DONE
