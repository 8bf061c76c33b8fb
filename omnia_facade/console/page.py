"""The console at `/`: one document that contains its style and script, with strict headers.

The document is `page.html`, which `make console` makes from `source/`. It reveals only the name of
the agent, so it needs no credential; its requests to the agent do.
"""

import html
from collections.abc import Callable
from pathlib import Path

from omnia_core.http.content import StaticContent
from omnia_core.http.head import RequestHead
from omnia_core.http.page import page_content
from omnia_core.names import Mode

PATH = "/"
METHODS = ("GET", "HEAD")

_FILE = Path(__file__).parent / "page.html"


def console_page(mode: Mode, agent_name: str) -> StaticContent:
    """Build the page."""
    # The mode first: what a name looks like must not be mistaken for a place in the document.
    values = {"mode": mode, "name": html.escape(agent_name)}
    return page_content(_FILE.read_text(encoding="utf-8"), values)


def console_front_page(mode: Mode, agent_name: str) -> Callable[[RequestHead], bytes | None]:
    """Return a function that answers requests for the page without an HTTP server."""
    page = console_page(mode, agent_name)

    def respond(head: RequestHead) -> bytes | None:
        if head.path != PATH or head.method not in METHODS or head.is_upgrade:
            return None
        return page.response(head)

    return respond
