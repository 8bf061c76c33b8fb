"""Decides whether a request may open a WebSocket, before the upgrade."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from omnia_core.errors import abridged
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead
from omnia_core.http.hosts import MISDIRECTED
from omnia_core.http.origins import is_same_origin
from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.errors import RejectedRequest, Rejection, shutting_down, unauthorized


def is_conversation(head: RequestHead) -> bool:
    """Whether a request is for WebSocket: by its path, or because it asks for an upgrade."""
    return head.is_upgrade or _serves_websocket(head.path)


async def authenticated(authenticator: Authenticator, headers: Mapping[str, str]) -> Principal:
    """Return the caller of a request; header names are lower-case.

    Raises:
        RejectedRequest: 401: the request has no valid credential.
    """
    try:
        return await authenticator.authenticate(headers)
    except Unauthorized as error:
        raise unauthorized(str(error)) from error


def misdirected() -> RejectedRequest:
    """Reject a request for another host (see `HostRule`)."""
    return RejectedRequest(421, Rejection.MISDIRECTED_REQUEST, MISDIRECTED)


def rejection_of_upgrade(
    head: RequestHead, *, allowed_origins: Sequence[str], local: bool, draining: bool
) -> RejectedRequest | None:
    """Return why an authenticated request is not upgraded to WebSocket; None if it is."""
    if not _serves_websocket(head.path):
        return RejectedRequest(
            404, Rejection.NOT_FOUND, f'nothing is served at "{abridged(head.path)}"; try /ws'
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
    return rejection_of_origin(head, allowed_origins, local=local)


def rejection_of_origin(
    head: RequestHead, allowed_origins: Sequence[str], *, local: bool
) -> RejectedRequest | None:
    """Return why the page that a request comes from may not send it; None if it may."""
    if not _origin_allowed(head, allowed_origins, local=local):
        return RejectedRequest(
            403,
            Rejection.FORBIDDEN_ORIGIN,
            f'the origin "{abridged(head.headers["origin"])}" may not connect',
        )
    return None


def check_method_and_origin(
    head: RequestHead, methods: Sequence[str], allowed_origins: Sequence[str], *, local: bool
) -> None:
    """Check a request for a path that is answered by its head.

    Raises:
        HttpError: 405 or 403: the method or the origin is not allowed.
    """
    if head.method not in methods:
        allowed = ", ".join(methods)
        detail = f"this path allows {allowed} only"
        raise HttpError(405, "method_not_allowed", detail, {"Allow": allowed})
    if rejected := rejection_of_origin(head, allowed_origins, local=local):
        raise rejected


class SessionPath(Struct, frozen=True):
    """A path that names a session, and what may be sent to it.

    Attributes:
        pattern: the whole path; its group is the session id.
        allowed_origins: as for an upgrade to WebSocket.
        local: whether the port is reachable from this machine only.
    """

    pattern: re.Pattern[str]
    methods: tuple[str, ...]
    allowed_origins: Sequence[str]
    local: bool

    def serves(self, path: str) -> bool:
        """Whether the path is one of these, with any method."""
        return self.pattern.fullmatch(path) is not None

    def session_of(self, head: RequestHead) -> str:
        """Return the session that a request is about; "" if the path is another one.

        Raises:
            HttpError: 405 or 403: the method or the origin is not allowed.
        """
        found = self.pattern.fullmatch(head.path)
        if found is None:
            return ""
        check_method_and_origin(head, self.methods, self.allowed_origins, local=self.local)
        return found[1]


def _serves_websocket(path: str) -> bool:
    return path == "/ws" or path.startswith("/api/agents/")


def _origin_allowed(head: RequestHead, allowed: Sequence[str], *, local: bool) -> bool:
    """Programs send no Origin. A browser sends that of the page: other sites are kept out."""
    origin = head.headers.get("origin")
    if origin is None:
        return True
    if allowed:
        return "*" in allowed or origin.rstrip("/").lower() in {
            entry.rstrip("/").lower() for entry in allowed
        }
    return is_same_origin(
        origin,
        host=head.headers.get("host", ""),
        forwarded_scheme=head.headers.get("x-forwarded-proto", ""),
        local=local,
    )
