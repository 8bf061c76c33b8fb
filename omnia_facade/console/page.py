"""The console at `/`: one document that contains its style and script, with strict headers.

It reveals only the name of the agent, so it needs no credential; its requests to the agent do.
"""

import hashlib
import html
from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from msgspec import Struct

from omnia_core.http.head import RequestHead
from omnia_core.names import Mode

PATH = "/"
METHODS = ("GET", "HEAD")

_FOLDER = Path(__file__).parent
_STYLES = ("style.css", "parts.css")
_COMMON = ("dom.js", "credential.js", "attempts.js")
_SCRIPTS = {
    Mode.AGENT: (
        *_COMMON,
        "text.js",
        "connection.js",
        "media.js",
        "attachments.js",
        "tools.js",
        "turn.js",
        "past.js",
        "agent.js",
        "composer.js",
    ),
    Mode.FUNCTION: (*_COMMON, "schema.js", "fields.js", "lists.js", "violations.js", "function.js"),
}


class ConsolePage(Struct, frozen=True):
    """The page, and the headers of its content."""

    body: bytes
    headers: dict[str, str]

    def response(self, *, head_only: bool = False) -> bytes:
        """Return a whole HTTP response, after which the connection closes."""
        lines = [
            f"HTTP/1.1 200 {HTTPStatus.OK.phrase}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"Content-Length: {len(self.body)}",
            "Connection: close",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head_only else self.body)


def console_page(mode: Mode, agent_name: str) -> ConsolePage:
    """Build the page."""
    style = _joined(_STYLES)
    script = _joined(_SCRIPTS[mode])
    # The name first: what a name looks like must not be mistaken for a place in the document.
    text = (
        _read(f"{mode}.html")
        .replace("{{name}}", html.escape(agent_name))
        .replace("{{style}}", style)
        .replace("{{script}}", script)
    )
    return ConsolePage(
        text.encode(),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _policy(style, script),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )


def console_front_page(mode: Mode, agent_name: str) -> Callable[[RequestHead], bytes | None]:
    """Return a function that answers requests for the page without an HTTP server."""
    page = console_page(mode, agent_name)

    def respond(head: RequestHead) -> bytes | None:
        if head.path != PATH or head.method not in METHODS or head.is_upgrade:
            return None
        return page.response(head_only=head.method == "HEAD")

    return respond


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


def _joined(files: tuple[str, ...]) -> str:
    return "\n" + "\n".join(_read(name) for name in files)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
