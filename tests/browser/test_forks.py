"""Answer again, edit, and send again on the page: nothing is said to the model twice."""

import urllib.request
from collections.abc import Iterator

import orjson
import pytest

from tests.browser.tab import Tab
from tests.browser.tried import writer
from tests.services import LIMIT

SAID = "[...document.querySelectorAll('.said')].map((each) => each.innerText)"
SESSION = "document.getElementById('session').value"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with writer(tmp_path_factory.mktemp("forks")) as address:
        yield address


def opened(tab: Tab, page: str) -> None:
    tab.open(page)
    tab.until_text("#state", "Connected")


def answers(tab: Tab, count: int) -> None:
    tab.until(f"document.querySelectorAll('.message.agent[aria-busy=false]').length === {count}")
    tab.until("document.querySelector('#cancel').hidden")


def stored(tab: Tab, page: str) -> list[list[str]]:
    """Return what was said in the session of the page, by turns."""
    url = f"{page}api/sessions/{tab.value(SESSION)}/turns"
    with urllib.request.urlopen(url, timeout=LIMIT) as answer:
        turns = orjson.loads(answer.read())["turns"]
    return [[message["content"] for message in turn["messages"]] for turn in turns]


def test_an_answer_is_asked_for_again_and_its_variants_are_chosen(tab: Tab, page: str) -> None:
    opened(tab, page)
    for number, text in enumerate(("one", "two"), 1):
        tab.say(text)
        answers(tab, number)
    first = tab.value(SESSION)
    tab.becomes("document.querySelectorAll('.variants').length", 0)

    tab.click(".message.agent:last-child .again")
    tab.until(f"{SESSION} !== {first!r}")
    answers(tab, 2)

    again = tab.value(SESSION)
    tab.until(f"location.hash === '#/c/{again}'")
    one, two = ["one", "Brief: one"], ["two", "Brief: two"]
    assert stored(tab, page) == [one, two]
    assert tab.text(".variants > span").strip() == "2 of 2"
    # No connection was lost.
    assert tab.value("document.querySelectorAll('#log .note').length") == 0
    tab.click(".variants button:first-child")
    tab.until(f"{SESSION} === {first!r}")
    tab.until_text(".variants > span", "1 of 2")
    assert stored(tab, page) == [one, two]
    tab.click(".variants button:last-child")
    tab.until(f"{SESSION} === {again!r}")
    tab.until_text(".variants > span", "2 of 2")
    # A reload keeps what the tab knows of them.
    tab.send("Page.reload")
    tab.until_text(".variants > span", "2 of 2")
    tab.click(".variants button:first-child")
    tab.until(f"{SESSION} === {first!r}")
    tab.until_text(".variants > span", "1 of 2")


def test_a_question_is_edited_with_the_keyboard(tab: Tab, page: str) -> None:
    opened(tab, page)
    for number, text in enumerate(("one", "two", "three"), 1):
        tab.say(text)
        answers(tab, number)
    tab.click(".message.user:nth-of-type(3) .edit")
    tab.becomes("document.activeElement.tagName", "TEXTAREA")
    tab.press("Escape")
    tab.becomes("document.activeElement.innerText", "Edit")
    tab.press("Enter")
    tab.until("document.querySelector('.editor')")
    tab.fill(".editor textarea", "second")
    tab.press("Enter")
    tab.until(f"{SAID}.join() === 'one,second'")
    answers(tab, 2)
    assert stored(tab, page) == [["one", "Brief: one"], ["second", "Brief: second"]]
    # In the empty field the arrow edits the last message.
    tab.value("document.getElementById('message').focus()")
    tab.press("ArrowUp")
    tab.becomes("document.querySelector('.editor textarea').value", "second")


def test_a_message_that_failed_is_sent_again_without_being_said_twice(tab: Tab, page: str) -> None:
    opened(tab, page)
    tab.say("one")
    answers(tab, 1)
    tab.say("fail, please")
    tab.until_text(".error", "mock does not accept the key")
    tab.click(".error button")
    tab.until_text(".variants > span", "2 of 2")
    tab.until_text(".error", "mock does not accept the key")
    assert [turn[0] for turn in stored(tab, page)] == ["one", "fail, please"]


def test_the_first_message_is_edited_too(tab: Tab, page: str) -> None:
    opened(tab, page)
    tab.say("one")
    answers(tab, 1)
    tab.click(".edit")
    tab.fill(".editor textarea", "other")
    tab.click(".editor button[type=submit]")
    tab.until(f"{SAID}.join() === 'other'")
    answers(tab, 1)
    assert stored(tab, page) == [["other", "Brief: other"]]
    assert tab.text(".variants > span").strip() == "2 of 2"


def test_nothing_is_forked_while_an_answer_runs(tab: Tab, page: str) -> None:
    opened(tab, page)
    tab.say("one")
    answers(tab, 1)
    tab.say("wait")
    tab.until("document.querySelector('.waiting')")
    assert tab.value("document.querySelectorAll('.edit, .again').length") == 0
    tab.press("Escape")
    answers(tab, 2)
    tab.becomes("document.querySelectorAll('.edit').length", 2)
