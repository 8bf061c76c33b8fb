"""Decides whether a request may open a WebSocket, before the upgrade."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from omnia_facade.entrance.errors import RejectedRequest, Rejection, shutting_down
from omnia_facade.entrance.head import RequestHead


def is_conversation(head: RequestHead) -> bool:
    """Whether a request is for WebSocket: by its path, or because it asks for an upgrade."""
    return head.is_upgrade or _serves_websocket(head.path)


def rejection_of_host(head: RequestHead, allowed_origins: Sequence[str]) -> RejectedRequest | None:
    """Return why a local server without credentials rejects a request; None if it is admitted.

    The Host has to be this machine, or that of an allowed origin. A page whose name was bound to
    this machine (DNS rebinding) is rejected: a browser sends the name that it loaded the page by.
    Programs may omit the Host.
    """
    host = head.headers.get("host", "")
    if not host or _host_allowed(host, allowed_origins):
        return None
    return RejectedRequest(
        421,
        Rejection.MISDIRECTED_REQUEST,
        "this server requires no credential, so it answers to localhost only",
    )


def rejection_of_upgrade(
    head: RequestHead, *, allowed_origins: Sequence[str], draining: bool
) -> RejectedRequest | None:
    """Return why an authenticated request is not upgraded to WebSocket; None if it is."""
    if not _serves_websocket(head.path):
        return RejectedRequest(
            404, Rejection.NOT_FOUND, f'nothing is served at "{head.path}"; try /ws'
        )
    if not head.is_upgrade:
        return RejectedRequest(
            426,
            Rejection.UPGRADE_REQUIRED,
            "this path serves WebSocket only",
            {"Upgrade": "websocket"},
        )
    if draining:
        return shutting_down()
    if not _origin_allowed(head, allowed_origins):
        return RejectedRequest(
            403,
            Rejection.FORBIDDEN_ORIGIN,
            f'the origin "{head.headers["origin"]}" may not connect',
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether a name or an address is always this machine (RFC 6761)."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _host_allowed(host: str, allowed_origins: Sequence[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    allowed = {urlsplit(origin).netloc.lower() for origin in allowed_origins}
    return is_loopback(name) or "*" in allowed_origins or host.lower() in allowed


def _serves_websocket(path: str) -> bool:
    return path == "/ws" or path.startswith("/api/agents/")


def _origin_allowed(head: RequestHead, allowed: Sequence[str]) -> bool:
    """Programs send no Origin. A browser sends that of the page: other sites are kept out."""
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
