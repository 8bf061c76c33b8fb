"""The conversations that an agent lists: their names, their end, and a page that is reloaded."""

from typing import Any

import pytest

from tests.browser.accessibility import needs_axe, violations
from tests.browser.tab import Tab
from tests.browser.test_addresses import CURRENT, ENTRIES, HASH
from tests.browser.test_agent_page import answered
from tests.browser.test_page_for_everybody import check

LISTED = "document.querySelector('#rail li > button[aria-label^=Change]')"
# As another device: nothing of this one is known.
FORGOTTEN = "localStorage.clear()"


@pytest.fixture
def agent(tab: Tab, ready: dict[str, dict[str, Any]]) -> str:
    """A conversation with an agent of `omnia up`, whose sessions are in a file."""
    page = str(ready["support-agent"]["console"])
    tab.open(page)
    tab.until_text("#state", "Connected")
    tab.say("Where is order A-1001?")
    answered(tab)
    tab.until(LISTED)
    return page


def entry(text: str) -> str:
    """Return the element of an entry of the list."""
    return f"[...document.querySelectorAll('#rail li')].find((e) => e.innerText.includes({text!r}))"


def change(tab: Tab, name: str) -> None:
    tab.until(f"{entry(name)}.querySelector('button').click() ?? true")
    tab.until("document.activeElement.ariaLabel === 'Name'")


def test_a_conversation_is_named_and_every_device_sees_it(tab: Tab, agent: str) -> None:
    change(tab, "Where is order A-1001?")
    tab.fill("#rail .entry input", "My desk")
    tab.press("Enter")
    tab.until(f"{ENTRIES}[0] === 'My desk'")
    # The focus is where it was.
    tab.until("document.activeElement.ariaLabel === 'Change My desk'")
    assert tab.value("document.title") == "My desk · support-agent · Omnia"
    tab.value(FORGOTTEN)
    tab.open(f"{agent}#/")
    tab.send("Page.reload")
    tab.until(f"{ENTRIES}.includes('My desk')")
    tab.until(f"{entry('My desk')}.querySelector('a').click() ?? true")
    tab.until_text("#log", "Where is order A-1001?")
    assert str(tab.value(CURRENT)).startswith("My desk")


def test_a_conversation_without_a_name_has_its_first_words_on_every_device(
    tab: Tab, agent: str
) -> None:
    tab.value(FORGOTTEN)
    tab.open(f"{agent}#/")
    tab.send("Page.reload")
    tab.until(f"{ENTRIES}.includes('Where is order A-1001?')")
    assert not tab.value(f"{ENTRIES}.includes('Unnamed')")


def test_what_is_no_name_is_refused_beside_the_field(tab: Tab, agent: str) -> None:
    change(tab, "Where is order A-1001?")
    tab.fill("#rail .entry input", " ")
    tab.press("Enter")
    tab.until_text("#rail .entry [role=alert]", "the name is empty")
    check_axe(tab)
    tab.press("Escape")
    tab.until(f"!document.querySelector('.entry') && {LISTED}")


def test_a_conversation_is_deleted_after_a_second_press(tab: Tab, agent: str) -> None:
    session = tab.value("document.getElementById('session').value")
    change(tab, "Where is order A-1001?")
    tab.click("#rail .entry .stop")
    tab.until_text("#rail .entry .stop", "Delete for good")
    tab.click("#rail .entry .stop")
    tab.until(f"{HASH} === '#/'")
    link = f"document.querySelector('#rail a[href$=\"{session}\"]')"
    tab.until(f"!document.querySelector('.entry') && !{link}")
    tab.send("Page.reload")
    tab.until(LISTED)
    assert tab.value(link) is None
    tab.open(f"{agent}#/c/{session}")
    tab.until_text("#log", "no longer exists")


def test_a_reload_keeps_the_conversation_and_the_draft(tab: Tab, agent: str) -> None:
    address = tab.value(HASH)
    for state in ("answered", "answering"):
        if state == "answering":
            tab.say("Where is order A-1002?")
            # It may be answered by the time of the reload.
            tab.until_text("#log", "Where is order A-1002?")
        tab.fill("#message", f"and {state}?")
        tab.send("Page.reload")
        tab.until_text("#log", "Where is order A-1001?")
        assert tab.value("document.getElementById('message').value") == f"and {state}?"
        assert tab.value(HASH) == address
    tab.press("Enter")
    tab.until_text("#log", "and answering?")
    tab.send("Page.reload")
    tab.until_text("#log", "and answering?")
    assert tab.value("document.getElementById('message').value") == ""


def test_the_list_is_usable_by_everybody(tab: Tab, agent: str) -> None:
    change(tab, "Where is order A-1001?")
    check_axe(tab)
    check(tab)


def check_axe(tab: Tab) -> None:
    needs_axe()
    assert violations(tab) == []
