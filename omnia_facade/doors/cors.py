"""Which pages may use a door (https://fetch.spec.whatwg.org/#http-cors-protocol).

Programs send no `Origin`. A page of another origin is refused unless it is listed, also where no
preflight is needed: a door acts on what it receives, whether or not the page may read the answer.
"""

from collections.abc import Sequence

from omnia_core.http.head import RequestHead
from omnia_facade.entrance.admission import rejection_of_origin
from omnia_facade.entrance.errors import RejectedRequest

EXPOSED = (
    "Omnia-Session-Id, Omnia-Run-Id, Omnia-Ignored, x-vercel-ai-ui-message-stream,"
    " WWW-Authenticate, Retry-After, x-should-retry, ETag"
)
METHODS = "GET, POST, DELETE"
_HEADERS = frozenset(
    {
        "a2a-extensions",
        "a2a-version",
        "accept",
        "authorization",
        "content-type",
        "idempotency-key",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "omnia-session-id",
        "openai-beta",
        "openai-organization",
        "openai-project",
        "traceparent",
        "tracestate",
        "user-agent",
    }
)
_PREFIXES = ("mcp-param-", "x-stainless-")
_SECONDS = "600"


class OriginRule:
    """The origins whose pages may use the doors."""

    def __init__(self, allowed: Sequence[str], *, local: bool) -> None:
        """`allowed` as `OMNIA_ALLOWED_ORIGINS`; `local` if only this machine reaches the port."""
        self._allowed = tuple(allowed)
        self._local = local

    def refusal(self, head: RequestHead) -> RejectedRequest | None:
        """Return why the page may not send this request; None if it may, or if it is no page."""
        return rejection_of_origin(head, self._allowed, local=self._local)

    def headers(self, head: RequestHead) -> dict[str, str]:
        """Return the headers of an answer that the page may read."""
        origin = head.headers.get("origin")
        if origin is None or self.refusal(head):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED,
            "Vary": "Origin",
        }

    def preflight(self, head: RequestHead) -> dict[str, str] | None:
        """Return the headers of the answer to a preflight; None if the request is none."""
        if head.method != "OPTIONS" or "access-control-request-method" not in head.headers:
            return None
        asked = head.headers.get("access-control-request-headers", "")
        return {
            **self.headers(head),
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": ", ".join(_allowed_headers(asked)),
            "Access-Control-Max-Age": _SECONDS,
        }


def _allowed_headers(asked: str) -> Sequence[str]:
    names = [name.strip().lower() for name in asked.split(",")]
    return [name for name in names if name in _HEADERS or name.startswith(_PREFIXES)]
