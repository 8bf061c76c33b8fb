"""The states of the page have addresses: reload, back, and links lead to the same."""

from collections.abc import Iterator

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.served import MARKUP, PageRuntime, Served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened

HASH = "location.hash"
ENTRIES = "[...document.querySelectorAll('#rail a span')].map((each) => each.innerText)"
CURRENT = "document.querySelector('#rail a[aria-current=page]')?.innerText"


@pytest.fixture
def kept(agent: Served) -> Iterator[Served]:
    """A runtime that goes on with every session; none of them has a word to show."""
    assert isinstance(agent.runtime, PageRuntime)
    agent.runtime.resume = pb.RESUME_STATE_RESUMABLE
    agent.runtime.conversation = pb.ReadConversationResponse(state=pb.RESUME_STATE_RESUMABLE)
    yield agent
    agent.runtime.resume, agent.runtime.conversation = pb.RESUME_STATE_NOT_FOUND, None


def session(tab: Tab) -> str:
    return str(tab.value("document.getElementById('session').value"))


def test_a_conversation_has_an_address_from_its_first_message(tab: Tab, kept: Served) -> None:
    opened(tab, kept)
    assert tab.value(HASH) == ""
    tab.say("hello")
    answered(tab)
    first = session(tab)
    tab.becomes(HASH, f"#/c/{first}")
    tab.becomes(ENTRIES, ["hello"])
    tab.click("#new")
    tab.until(f"{HASH} === '#/'")
    tab.say(MARKUP)
    answered(tab)
    assert session(tab) != first
    tab.becomes(ENTRIES, [MARKUP[:60], "hello"])
    assert MARKUP[:60] in str(tab.value(CURRENT))
    tab.value("history.go(-2)")
    tab.until(f"document.getElementById('session').value === {first!r}")
    tab.until_text("#log", "Conversation resumed")
    assert tab.value(HASH) == f"#/c/{first}"
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")
    assert session(tab) == first


def test_a_conversation_is_chosen_in_the_list(tab: Tab, kept: Served) -> None:
    opened(tab, kept)
    tab.say("hello")
    answered(tab)
    first = session(tab)
    tab.click("#new")
    tab.until("document.querySelector('.start')")
    tab.click("#rail a")
    tab.until_text("#log", "Conversation resumed")
    assert session(tab) == first
    tab.click("#rail > button.small")
    tab.becomes(ENTRIES, [])
    tab.becomes("Object.keys(localStorage).length", 0)


def test_the_list_opens_over_the_page_where_there_is_no_room(tab: Tab, kept: Served) -> None:
    opened(tab, kept)
    tab.say("hello")
    answered(tab)
    height = "document.getElementById({!r}).clientHeight"
    rail, log = (tab.value(height.format(each)) for each in ("rail", "log"))
    assert rail >= log
    visible = "document.getElementById('rail').checkVisibility()"
    tab.narrow(375)
    tab.until(f"!{visible}")
    tab.click(".open-rail")
    tab.until(visible)
    tab.press("Escape")
    tab.until(f"!{visible}")


def test_a_conversation_that_has_ended_leaves_its_address(tab: Tab, agent: Served) -> None:
    tab.open(f"{agent.page}#/c/long-ago")
    tab.until_text("#log", "no longer exists")
    tab.until(f"{HASH} === '#/'")


def test_an_address_of_nothing_is_the_start_page(tab: Tab, agent: Served) -> None:
    for hash_ in ("#/c/%E0%A4%A", "#/c", "#//////", "#nothing/t/1e9"):
        tab.open(f"{agent.page}{hash_}")
        tab.until_text("#state", "Connected")
        tab.until("document.querySelector('.start')")


def test_a_turn_and_its_step_are_shown_in_the_inspector(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("hello")
    answered(tab)
    tab.say("markup")
    answered(tab, 2)
    tab.click(".steps li:nth-child(2) button")
    tab.until_text("#inspector h2", "Turn 2 of 2")
    assert str(tab.value(HASH)).endswith("/t/2/s/2")
    assert tab.text("#inspector h3") == MARKUP
    assert tab.value("document.querySelectorAll('#inspector .timeline li').length") == 3
    assert "Arguments" in tab.text("#inspector .detail")
    tab.click("#inspector li:nth-child(1) button")
    assert tab.text("#inspector h3") == "model"
    assert str(tab.value(HASH)).endswith("/t/2/s/1")
    assert tab.value("document.querySelectorAll('#inspector img').length") == 0
    tab.press("Escape")
    tab.until("!document.querySelector('#inspector')")
    assert "/t/" not in str(tab.value(HASH))


def test_the_inspector_takes_the_place_of_the_conversation_on_a_small_screen(
    tab: Tab, agent: Served
) -> None:
    opened(tab, agent)
    tab.say("markup")
    answered(tab)
    tab.click(".facts .inspect")
    tab.until("document.querySelector('#inspector')")
    visible = "document.getElementById('log').checkVisibility({visibilityProperty: true})"
    assert tab.value(visible)
    tab.narrow(375)
    tab.until(f"!{visible}")
    tab.click("#close-inspector")
    tab.until(visible)
