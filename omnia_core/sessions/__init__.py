"""What a conversation leaves behind, and where it is kept."""

from omnia_core.sessions.records import Beginning, Message, Session
from omnia_core.sessions.store import SessionConflict, SessionStore, StoreUnavailable
from omnia_core.sessions.trail import Trail

__all__ = [
    "Beginning",
    "Message",
    "Session",
    "SessionConflict",
    "SessionStore",
    "StoreUnavailable",
    "Trail",
]
