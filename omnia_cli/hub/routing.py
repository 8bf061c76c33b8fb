"""Where a request to the hub goes, and whether its sender may send it; pure."""

from typing import TypeAlias
from urllib.parse import unquote

from msgspec import Struct

from omnia_core.errors import abridged
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead
from omnia_core.http.hosts import MISDIRECTED, HostRule
from omnia_core.http.origins import is_same_origin

AGENTS = "/hub/agents"
EVENTS = "/hub/events"
_READ = ("GET", "HEAD")
# The kinds of requests whose answer a browser shows as a document of the hub's origin.
_DOCUMENTS = frozenset({"document", "iframe", "frame", "embed", "object", "fencedframe"})


class ToPage(Struct, frozen=True):
    """The page; with a fragment, a place in it."""

    fragment: str = ""


class ToAgents(Struct, frozen=True):
    """What runs."""


class ToEvents(Struct, frozen=True):
    """What changes."""


class ToAgent(Struct, frozen=True):
    """A path of an agent's facade."""

    namespace: str
    name: str
    path: str


class ToInside(Struct, frozen=True):
    """What an agent is made of."""

    namespace: str
    name: str


class ToHistory(Struct, frozen=True):
    """A path of the history."""

    path: str


Destination: TypeAlias = ToPage | ToAgents | ToEvents | ToAgent | ToInside | ToHistory


def admit(head: RequestHead, hosts: HostRule) -> None:
    """Check that a request is for this machine, and from a page of the hub or from a program.

    Raises:
        HttpError: 421 or 403: it is not.
    """
    host = head.headers.get("host", "")
    if not hosts.allows(host):
        raise HttpError(421, "misdirected_request", MISDIRECTED)
    origin = head.headers.get("origin")
    forwarded = head.headers.get("x-forwarded-proto", "")
    if origin is not None and not is_same_origin(
        origin, host=host, forwarded_scheme=forwarded, local=True
    ):
        detail = f'the origin "{abridged(origin)}" may not connect'
        raise HttpError(403, "forbidden_origin", detail)
    site = head.headers.get("sec-fetch-site", "same-origin")
    if head.method not in _READ and site not in ("same-origin", "none"):
        detail = f"a page of another site may not send {abridged(head.method)}"
        raise HttpError(403, "forbidden_origin", detail)


def destination(head: RequestHead) -> Destination:
    """Return where a request goes.

    Raises:
        HttpError: nowhere: 400, 403, 404 or 405.
    """
    segments = _segments(head.path)
    match segments:
        case ["", ""]:
            return _read_only(head, ToPage())
        case ["", "hub", "agents"]:
            return _read_only(head, ToAgents())
        case ["", "hub", "events"]:
            return _read_only(head, ToEvents())
        case ["", "hub", "agents", namespace, name, "inside"]:
            return _read_only(head, ToInside(namespace, name))
        case ["", "agents", namespace, name, *rest] if rest:
            if _is_document(head):
                return _place_of(head, namespace, name, rest)
            return ToAgent(namespace, name, "/" + "/".join(rest))
        case ["", "history", "api", "v1", *rest] if rest:
            if _is_document(head):
                raise _no_document()
            return ToHistory("/" + "/".join(segments[2:]))
    raise HttpError(
        404,
        "not_found",
        f'nothing is served at "{abridged(head.path)}"; there is the page at /, what runs at'
        f" {AGENTS}, and each agent at /agents/NAMESPACE/NAME/",
    )


def _segments(path: str) -> list[str]:
    """Return the segments of a path, each as it was sent.

    Raises:
        HttpError: 400: the path is not absolute, or another program might read it as another path.
    """
    segments = path.split("/")
    empty = "" in segments[1:-1]
    dots = any(
        part in (".", "..")
        for segment in segments
        for part in unquote(segment).replace("\\", "/").split("/")
    )
    hidden = "%2e" in path.lower() or "\\" in path or not path.isascii()
    if segments[0] or len(segments) == 1 or empty or dots or hidden:
        detail = f'the path "{abridged(path)}" is not plain: expected no "..", "%2e" or "//" in it'
        raise HttpError(400, "invalid_request", detail)
    return segments


def _read_only(head: RequestHead, found: Destination) -> Destination:
    if head.method not in _READ:
        allowed = ", ".join(_READ)
        detail = f"this path allows {allowed} only"
        raise HttpError(405, "method_not_allowed", detail, {"Allow": allowed})
    return found


def _is_document(head: RequestHead) -> bool:
    """Whether a browser shows the answer as a document.

    What an agent sends would run with the rights of the hub's page, which reaches every agent.
    """
    return head.headers.get("sec-fetch-dest", "") in _DOCUMENTS


def _place_of(head: RequestHead, namespace: str, name: str, rest: list[str]) -> ToPage:
    if rest == [""] and head.method in _READ:
        return ToPage(f"#/a/{namespace}/{name}")
    raise _no_document()


def _no_document() -> HttpError:
    return HttpError(
        403, "not_allowed", "this address is for requests of the page, which is at /: open that"
    )
