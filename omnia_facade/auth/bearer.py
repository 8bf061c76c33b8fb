"""Where a request carries its token: never in the URL, which ends up in logs."""

from collections.abc import Mapping

# A page cannot set headers of a WebSocket; it offers these two subprotocols, and gets the first.
SUBPROTOCOL = "omnia.v1"
TOKEN_SUBPROTOCOL = "omnia.bearer."  # noqa: S105 - only what comes before one


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token of the Authorization header, or else of the offered subprotocols."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for offered in headers.get("sec-websocket-protocol", "").split(","):
        token = offered.strip()
        if token.startswith(TOKEN_SUBPROTOCOL):
            return token.removeprefix(TOKEN_SUBPROTOCOL) or None
    return None
