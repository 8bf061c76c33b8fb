"""What a conversation leaves behind, and where it is kept."""

from omnia_core.sessions.records import Message, Session, ToolCall
from omnia_core.sessions.store import SessionConflict, SessionStore, StoreUnavailable

__all__ = ["Message", "Session", "SessionConflict", "SessionStore", "StoreUnavailable", "ToolCall"]
