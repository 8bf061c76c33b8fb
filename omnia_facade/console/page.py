"""The console at `/`: one document that contains its style and script, with strict headers.

The documents are `agent.html` and `function.html`, which `make console` makes from `source/`. They
reveal only the name of the agent, so they need no credential; their requests to the agent do.
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

_FOLDER = Path(__file__).parent


def console_page(mode: Mode, agent_name: str) -> StaticContent:
    """Build the page."""
    document = (_FOLDER / f"{mode}.html").read_text(encoding="utf-8")
    return page_content(document, html.escape(agent_name))


def console_front_page(mode: Mode, agent_name: str) -> Callable[[RequestHead], bytes | None]:
    """Return a function that answers requests for the page without an HTTP server."""
    page = console_page(mode, agent_name)

    def respond(head: RequestHead) -> bytes | None:
        if head.path != PATH or head.method not in METHODS or head.is_upgrade:
            return None
        return page.response(head)

    return respond
