"""What a client is shown of a turn, besides the text and the end of its answer."""

from typing import TypeAlias

from omnia_facade.dialogue.events import (
    Chunk,
    Interruption,
    MediaChunk,
    SessionConfig,
    ToolCall,
    ToolResult,
)
from omnia_facade.ws import frames
from omnia_facade.ws.effects import Effect, Send
from omnia_facade.ws.media_frames import MediaFrames

Shown: TypeAlias = Chunk | ToolCall | ToolResult | MediaChunk | Interruption | SessionConfig


class Showing:
    """What one client wants and may see."""

    __slots__ = ("_media", "_show_tools", "binary")

    def __init__(self, *, show_tools: bool, binary: bool) -> None:
        """Show tools of the runtime, or not; media in binary frames, or in JSON."""
        self._show_tools = show_tools
        self.binary = binary
        self._media: MediaFrames | None = None

    def end(self) -> None:
        """Learn that the turn has ended."""
        self._media = None

    def show(self, session_id: str, event: Shown) -> list[Effect]:
        """Return what is sent."""
        if isinstance(event, Chunk):
            return [Send(frames.transcript(session_id, event.text, event.role))]
        if isinstance(event, ToolCall):
            seen = self._show_tools or event.by_client
            return [Send(frames.tool_call(session_id, event))] if seen else []
        if isinstance(event, ToolResult):
            return [Send(frames.tool_result(session_id, event))] if self._show_tools else []
        if self._media is None:
            self._media = MediaFrames(session_id, binary=self.binary)
        return self._media.show(event)
