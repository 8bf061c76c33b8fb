"""Session records and audit trails, and the stores that keep them."""

from omnia_core.sessions.audit import AuditTrail
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.records import DeletedMessages, Message, Session
from omnia_core.sessions.store import (
    SessionConflict,
    SessionSettings,
    SessionStore,
    StoreUnavailable,
)

__all__ = [
    "AuditTrail",
    "DeletedMessages",
    "EvalResult",
    "Message",
    "Session",
    "SessionConflict",
    "SessionSettings",
    "SessionStore",
    "StoreUnavailable",
]
