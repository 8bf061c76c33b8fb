"""Who may open a WebSocket, decided before the upgrade."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from omnia_facade.entrance.head import RequestHead
from omnia_facade.entrance.rejections import Rejection

AUTHENTICATE = {"WWW-Authenticate": "Bearer"}
# In seconds. Another pod may answer at once; a place in a full one takes a while.
_AT_ONCE = {"Retry-After": "1"}
_LATER = {"Retry-After": "10"}


class Refusal(Struct, frozen=True):
    """An HTTP answer instead of an upgrade."""

    status: int
    error: Rejection
    detail: str
    headers: dict[str, str] | None = None


def unauthorized(detail: str) -> Refusal:
    """Refuse who is not known."""
    return Refusal(401, Rejection.UNAUTHORIZED, detail, AUTHENTICATE)


def too_many() -> Refusal:
    """Refuse because the pod is full."""
    return Refusal(
        503,
        Rejection.TOO_MANY_CONNECTIONS,
        "this server has as many connections as it may have; try again later",
        _LATER,
    )


def too_many_of_user() -> Refusal:
    """Refuse because the user has enough."""
    return Refusal(
        429,
        Rejection.TOO_MANY_CONNECTIONS_OF_USER,
        "this user has as many connections as a user may have; close one first",
        _LATER,
    )


def shutting_down() -> Refusal:
    """Refuse because the pod is about to end."""
    return Refusal(503, Rejection.DRAINING, "this server is shutting down; try again", _AT_ONCE)


def misdirected() -> Refusal:
    """Refuse a page that calls this machine by a name of its own (DNS rebinding)."""
    return Refusal(
        421,
        Rejection.MISDIRECTED_REQUEST,
        "this server asks for no credential, so it answers to localhost only",
    )


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, whoever asks for it (RFC 6761)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def names_this_machine(head: RequestHead, allowed_origins: Sequence[str]) -> bool:
    """Whether the Host is this machine's, or that of an origin that may connect.

    Programs may leave it out; a browser says the name that its page was loaded by.
    """
    host = head.headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    allowed = {urlsplit(origin).netloc.lower() for origin in allowed_origins}
    return not host or is_loopback(name) or "*" in allowed_origins or host.lower() in allowed


def is_conversation(path: str) -> bool:
    """Whether WebSocket is spoken under a path."""
    return path == "/ws" or path.startswith("/api/agents/")


def refusal(head: RequestHead, *, allowed_origins: Sequence[str], draining: bool) -> Refusal | None:
    """Return why an authenticated request gets no WebSocket, or None when it gets one."""
    if not is_conversation(head.path):
        return Refusal(404, Rejection.NOT_FOUND, f'nothing is served at "{head.path}"; try /ws')
    if not head.is_upgrade:
        return Refusal(
            426,
            Rejection.UPGRADE_REQUIRED,
            "this path speaks WebSocket",
            {"Upgrade": "websocket"},
        )
    if draining:
        return shutting_down()
    if not _origin_allowed(head, allowed_origins):
        return Refusal(
            403,
            Rejection.FORBIDDEN_ORIGIN,
            f'the origin "{head.headers["origin"]}" may not connect',
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
    try:
        return urlsplit(origin).netloc.lower() == head.headers.get("host", "").lower()
    except ValueError:
        return False
