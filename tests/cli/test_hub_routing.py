"""Where a request to the hub goes, and which requests it refuses."""

import contextlib
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_cli.hub.events import EventLog
from omnia_cli.hub.routing import (
    Destination,
    ToAgent,
    ToAgents,
    ToEvents,
    ToHistory,
    ToPage,
    ToViews,
    admit,
    destination,
)
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead, parse_head
from omnia_core.http.hosts import HostRule

HOST = "127.0.0.1:8070"
HOSTS = HostRule("127.0.0.1")


def head(target: str, method: str = "GET", **headers: str) -> RequestHead:
    fields = {"Host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    parsed = parse_head("\r\n".join(lines).encode())
    assert parsed
    return parsed


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/", ToPage()),
        ("/?x=1", ToPage()),
        ("/hub/views.js", ToViews()),
        ("/hub/agents", ToAgents()),
        ("/hub/events", ToEvents()),
        ("/agents/shop/guide/", ToAgent("shop", "guide", "/")),
        ("/agents/shop/guide/ws?session_id=1", ToAgent("shop", "guide", "/ws")),
        ("/agents/shop/guide/a/b%2Fc", ToAgent("shop", "guide", "/a/b%2Fc")),
        (
            "/history/api/v1/sessions/https%3A%2F%2Fid",
            ToHistory("/api/v1/sessions/https%3A%2F%2Fid"),
        ),
    ],
)
def test_a_path_leads_to_one_place(target: str, found: Destination) -> None:
    assert destination(head(target)) == found


@pytest.mark.parametrize(
    "target",
    [
        "/agents/shop/guide/../other/ws",
        "/agents/shop/guide/..",
        "/agents/shop/guide/./ws",
        "/agents/shop/guide/%2e%2e/ws",
        "/agents/shop/guide/%2E./ws",
        "/agents/shop/guide/..%2fother",
        "/agents/shop/guide/..%5cother",
        "/agents/shop/guide/..\\other",
        "/agents/shop/guide//ws",
        "//agents/shop/guide/ws",
        "/agents//guide/ws",
        "/history/api/v1/../../metrics",
        "agents/shop/guide/ws",
        "/agents/shop/gu\u00efde/ws",
        "*",
    ],
)
def test_a_path_that_could_be_read_as_another_one_is_refused(target: str) -> None:
    with pytest.raises(HttpError) as refused:
        destination(head(target))
    # Two slashes at the begin are a host, and what is left of them is no path of the hub.
    assert refused.value.status == (404 if target.startswith("//") else 400)


@given(st.text(st.sampled_from("./%2eE5cf\\?#ab:@"), max_size=40))
def test_no_path_leaves_the_place_that_it_names(text: str) -> None:
    with contextlib.suppress(HttpError):
        found = destination(head(f"/agents/shop/guide/{text}"))
        assert isinstance(found, ToAgent)
        assert (found.namespace, found.name) == ("shop", "guide")
        assert not {"..", "."} & set(unquote(found.path).replace("\\", "/").split("/"))
        assert "//" not in found.path


@pytest.mark.parametrize(
    "target",
    [
        "/agents",
        "/agents/shop/guide",
        "/hub",
        "/hub/agents/",
        "/history/metrics",
        "/history/api/v1",
    ],
)
def test_nothing_else_is_served(target: str) -> None:
    with pytest.raises(HttpError) as refused:
        destination(head(target))
    assert refused.value.status == 404


@pytest.mark.parametrize("target", ["/", "/hub/agents", "/hub/events"])
def test_the_hub_itself_is_only_read(target: str) -> None:
    assert destination(head(target, "HEAD")) == destination(head(target))
    with pytest.raises(HttpError) as refused:
        destination(head(target, "POST"))
    assert (refused.value.status, refused.value.headers) == (405, {"Allow": "GET, HEAD"})


@pytest.mark.parametrize("kind", ["document", "iframe", "object"])
def test_what_an_agent_sends_is_never_a_document_of_the_hub(kind: str) -> None:
    shown = {"Sec_Fetch_Dest": kind}
    place = destination(head("/agents/shop/guide/", **shown))
    assert place == ToPage("#/a/shop/guide")
    for target in ("/agents/shop/guide/media/1", "/history/api/v1/sessions"):
        with pytest.raises(HttpError) as refused:
            destination(head(target, **shown))
        assert refused.value.status == 403
    assert destination(head("/agents/shop/guide/", Sec_Fetch_Dest="empty")) == ToAgent(
        "shop", "guide", "/"
    )


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 0),
        ("GET", {"Host": "localhost:8070"}, 0),
        ("GET", {"Host": "shop.example"}, 421),
        ("GET", {"Host": "127.0.0.1.shop.example"}, 421),
        ("GET", {"Origin": f"http://{HOST}"}, 0),
        ("GET", {"Origin": "http://127.0.0.1:8080"}, 403),
        ("GET", {"Origin": f"https://{HOST}"}, 403),
        ("GET", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://shop.example"}, 403),
        ("POST", {"Sec_Fetch_Site": "same-origin"}, 0),
        ("POST", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("POST", {"Sec_Fetch_Site": "same-site"}, 403),
        ("DELETE", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("GET", {"Sec_Fetch_Site": "cross-site"}, 0),
        ("POST", {}, 0),
    ],
)
def test_only_its_own_page_and_programs_may_ask(
    method: str, headers: dict[str, str], status: int
) -> None:
    request = head("/hub/agents", method, **headers)
    if not status:
        admit(request, HOSTS)
        return
    with pytest.raises(HttpError) as refused:
        admit(request, HOSTS)
    assert refused.value.status == status


def ids(frames: bytes) -> list[str]:
    return [line[4:] for line in frames.decode().splitlines() if line.startswith("id: ")]


def test_a_client_continues_after_the_last_event_that_it_has() -> None:
    log = EventLog("b", kept=3)
    for number in range(1, 6):
        log.add({"event": "note", "text": str(number)})
    assert ids(log.after(log.position("b-4"))) == ["b-5"]
    assert ids(log.after(log.position("b-5"))) == []
    # Without an event it begins with the next one.
    assert ids(log.after(log.position(None))) == []
    # Of what it missed, only the last ones are kept.
    assert ids(log.after(log.position("b-1"))) == ["b-3", "b-4", "b-5"]


@pytest.mark.parametrize("unknown", ["a-5", "", "b-", "b-x", "b-²", "-", "b--1"])
def test_an_event_of_another_run_is_before_all_of_this_one(unknown: str) -> None:
    log = EventLog("b")
    log.add({"event": "note"})
    assert ids(log.after(log.position(unknown))) == ["b-1"]


def test_an_event_that_has_not_been_is_the_last_one() -> None:
    log = EventLog("b")
    log.add({"event": "note"})
    assert log.after(log.position("b-" + "9" * 5000)) == b""
