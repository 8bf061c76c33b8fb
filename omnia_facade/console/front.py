"""The page without an HTTP server: a pod that only talks WebSocket does not pay for one."""

from collections.abc import Callable

from omnia_core.names import Mode
from omnia_facade.console.page import METHODS, PATH, console_page
from omnia_facade.entrance.head import RequestHead


def console_front(mode: Mode, agent_name: str) -> Callable[[RequestHead], bytes | None]:
    """Return what answers requests for the page, and no others."""
    page = console_page(mode, agent_name)

    def respond(head: RequestHead) -> bytes | None:
        if head.path != PATH or head.method not in METHODS or head.is_upgrade:
            return None
        return page.response(head_only=head.method == "HEAD")

    return respond
