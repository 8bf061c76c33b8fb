"""Who may open a WebSocket, decided before the upgrade."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct

from omnia_facade.http.head import RequestHead

AUTHENTICATE = {"WWW-Authenticate": "Bearer"}


class Refusal(Struct, frozen=True):
    """An HTTP answer instead of an upgrade."""

    status: int
    error: str
    detail: str
    headers: dict[str, str] | None = None


def unauthorized(detail: str) -> Refusal:
    """Refuse who is not known."""
    return Refusal(401, "unauthorized", detail, AUTHENTICATE)


def is_conversation(path: str) -> bool:
    """Whether WebSocket is spoken under a path."""
    return path == "/ws" or path.startswith("/api/agents/")


def refusal(head: RequestHead, *, allowed_origins: Sequence[str], draining: bool) -> Refusal | None:
    """Return why an authenticated request gets no WebSocket, or None when it gets one."""
    if not is_conversation(head.path):
        return Refusal(404, "not_found", f'nothing is served at "{head.path}"; try /ws')
    if not head.is_upgrade:
        return Refusal(
            426,
            "upgrade_required",
            "this path speaks WebSocket",
            {"Upgrade": "websocket"},
        )
    if draining:
        return Refusal(503, "draining", "this server is shutting down; connect again")
    if not _origin_allowed(head, allowed_origins):
        return Refusal(
            403, "forbidden_origin", f'the origin "{head.headers["origin"]}" may not connect'
        )
    return None


def _origin_allowed(head: RequestHead, allowed: Sequence[str]) -> bool:
    """Programs send no Origin; a browser sends the page's, which keeps other sites' pages out."""
    origin = head.headers.get("origin")
    if origin is None:
        return True
    if allowed:
        return "*" in allowed or origin.rstrip("/").lower() in {
            entry.rstrip("/").lower() for entry in allowed
        }
    return urlsplit(origin).netloc.lower() == head.headers.get("host", "").lower()
