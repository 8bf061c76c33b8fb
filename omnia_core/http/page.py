"""A document that contains its style and its scripts, with headers that allow nothing else."""

import gzip
import hashlib
import re
from base64 import b64encode

from omnia_core.http.content import StaticContent

# Style and scripts contain no tag of their own kind.
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


def page_content(document: str, name: str) -> StaticContent:
    """Return the page with its `{{name}}`, which is HTML.

    Style and scripts must not depend on it: their hashes are those of the document.
    """
    body = document.replace("{{name}}", name).encode()
    return StaticContent(
        body,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _policy(
                _hashes(_STYLE.findall(document)), _hashes(_SCRIPT.findall(document))
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


def _policy(styles: str, scripts: str) -> str:
    """Allow these styles and scripts, this origin, and objects that the scripts create."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {scripts}",
            f"style-src {styles}",
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


def _hashes(texts: list[str]) -> str:
    """Return the hashes as sources of a Content-Security-Policy."""
    return " ".join(
        f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts
    )
