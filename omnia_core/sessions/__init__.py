"""What a conversation leaves behind, and where it is kept."""

from omnia_core.sessions.audit import AuditTrail
from omnia_core.sessions.records import Beginning, Message, Session
from omnia_core.sessions.store import SessionConflict, SessionStore, StoreUnavailable

__all__ = [
    "AuditTrail",
    "Beginning",
    "Message",
    "Session",
    "SessionConflict",
    "SessionStore",
    "StoreUnavailable",
]
