"""A document that contains its style and its script, with headers that allow nothing else."""

import gzip
import hashlib
from base64 import b64encode

from omnia_core.http.content import StaticContent

_STYLE = ("<style>", "</style>")
_SCRIPT = ('<script type="module">', "</script>")


def page_content(document: str, name: str) -> StaticContent:
    """Return the page with its `{{name}}`, which is HTML.

    Style and script must not depend on it: their hashes are those of the document.
    """
    body = document.replace("{{name}}", name).encode()
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
