"""The console at `/`: one document that contains its style and script, with strict headers.

The document is `page.html`, which `make console` makes from `source/`. It reveals only the name of
the agent, so it needs no credential; its requests to the agent do.
"""

import gzip
import hashlib
import html
from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from omnia_core.http.content import StaticContent
from omnia_core.http.head import RequestHead
from omnia_core.names import Mode

PATH = "/"
METHODS = ("GET", "HEAD")

_FILE = Path(__file__).parent / "page.html"
_STYLE = ("<style>", "</style>")
_SCRIPT = ('<script type="module">', "</script>")


def console_page(mode: Mode, agent_name: str) -> StaticContent:
    """Build the page."""
    document = _FILE.read_text(encoding="utf-8")
    # The mode first: what a name looks like must not be mistaken for a place in the document.
    text = document.replace("{{mode}}", mode).replace("{{name}}", html.escape(agent_name))
    body = text.encode()
    return StaticContent(
        body,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _policy(
                _between(document, _STYLE), _between(document, _SCRIPT)
            ),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
        gzip.compress(body, mtime=0),
    )


def console_front_page(mode: Mode, agent_name: str) -> Callable[[RequestHead], bytes | None]:
    """Return a function that answers requests for the page without an HTTP server."""
    page = console_page(mode, agent_name)

    def respond(head: RequestHead) -> bytes | None:
        if head.path != PATH or head.method not in METHODS or head.is_upgrade:
            return None
        return _response(page, head)

    return respond


def _response(page: StaticContent, head: RequestHead) -> bytes:
    """Return a whole HTTP response, after which the connection closes."""
    headers, body = page.content(head.headers.get("accept-encoding", ""))
    lines = [
        f"HTTP/1.1 200 {HTTPStatus.OK.phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head.method == "HEAD" else body)


def _policy(style: str, script: str) -> str:
    """Allow this style, this script, this origin, and objects that the script creates."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "connect-src 'self'",
            "img-src blob: data:",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            # No text is ever interpreted as markup.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _between(document: str, marks: tuple[str, str]) -> str:
    begin, end = marks
    _, _, rest = document.partition(begin)
    return rest.partition(end)[0]
