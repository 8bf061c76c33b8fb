"""A reload in each state: the same conversation, what is being written, the same turn and step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.careful import Careful, careful
from tests.browser.chromium import Chromium
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered

HASH = "location.hash"
# What a person sees of a state. Words that a check held back are kept by nobody.
SEEN = """JSON.stringify({
  address: location.hash,
  session: document.getElementById('session').value,
  draft: document.getElementById('message').value,
  said: [...document.querySelectorAll('.said')].map((each) => each.innerText),
  answers: [...document.querySelectorAll('.message.agent')].map((answer) =>
    [...answer.querySelectorAll('.text:not([role=deletion]), .tool .name, .tool .how')]
      .map((each) => each.innerText.trim()).filter(Boolean)),
  ended: [...document.querySelectorAll('.message.agent .facts')].map((each) =>
    /stopped by you|held back|not answered/.exec(each.innerText)?.[0] ?? ''),
  inspector: [...document.querySelectorAll(
    '#inspector h2, #inspector h3, #inspector [aria-pressed=true] .step-name')]
    .map((each) => each.innerText),
  title: document.title,
})"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careful]:
    with careful(tmp_path_factory.mktemp("reloaded")) as found:
        yield found


def begun(tab: Tab, agent: Careful, text: str) -> None:
    tab.open(agent.page)
    tab.until_text("#state", "Connected")
    tab.say(text)


def reloaded(tab: Tab) -> None:
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")


def the_same_after_a_reload(tab: Tab, **different: Any) -> None:
    """Hold what is seen after a reload against what was seen before, but for some of it."""
    before = json.loads(tab.value(SEEN)) | different
    reloaded(tab)
    # What is recorded of a turn comes after what was said.
    wanted = json.dumps(json.dumps(before, ensure_ascii=False, separators=(",", ":")))
    tab.until(f"{SEEN} === {wanted}")


def test_before_the_first_message_what_is_written_is_kept(tab: Tab, agent: Careful) -> None:
    tab.open(agent.page)
    tab.until_text("#state", "Connected")
    tab.fill("#message", "half a question")
    tab.send("Page.reload")
    tab.until("document.getElementById('message')?.value === 'half a question'")
    tab.until("document.querySelector('.start')")
    assert tab.value(HASH) in {"", "#/"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "You said hello"),
        ("look", "I could not look it up."),
        ("phone", "I cannot share phone numbers."),
        ("fail", "mock does not accept the key."),
    ],
)
def test_an_answer_is_the_same(tab: Tab, agent: Careful, text: str, said: str) -> None:
    begun(tab, agent, text)
    assert said in answered(tab)
    tab.fill("#message", "and then")
    # That there is no answer is kept, why is not.
    the_same_after_a_reload(tab, **({"ended": ["not answered"]} if text == "fail" else {}))


def test_a_stopped_answer_is_the_same(tab: Tab, agent: Careful) -> None:
    begun(tab, agent, "write")
    tab.until_text(".message.agent[aria-busy=true]", "word")
    tab.press("Escape")
    answered(tab)
    the_same_after_a_reload(tab)


@pytest.mark.parametrize("text", ["wait", "write"])
def test_an_answer_that_is_not_there_yet_ends_with_its_question_kept(
    tab: Tab, agent: Careful, text: str
) -> None:
    begun(tab, agent, text)
    tab.until_text(".message.agent[aria-busy=true]", "asking" if text == "wait" else "word")
    tab.fill("#message", "meanwhile")
    before = json.loads(tab.value(SEEN))
    reloaded(tab)
    tab.until(f"document.querySelector('.said')?.innerText === {text!r}")
    after = json.loads(tab.value(SEEN))
    for what in ("address", "session", "draft", "said"):
        assert after[what] == before[what], what
    # It goes on from there.
    tab.fill("#message", "hello")
    tab.press("Enter")
    tab.until_text("#log", "You said hello")


def test_messages_that_wait_are_being_written_again(tab: Tab, agent: Careful) -> None:
    begun(tab, agent, "write")
    tab.until_text(".message.agent[aria-busy=true]", "word")
    tab.say("first")
    tab.say("second")
    tab.fill("#message", "third")
    reloaded(tab)
    assert tab.value("document.getElementById('message').value") == "first\n\nsecond\n\nthird"


@pytest.mark.parametrize("place", ["turn", "step", "about", "files"])
def test_what_the_inspector_shows_is_the_same(tab: Tab, agent: Careful, place: str) -> None:
    begun(tab, agent, "look")
    answered(tab)
    # Until then the page shows what it has measured.
    tab.until("[...document.querySelectorAll('.steps')].at(-1)?.innerText.includes('default')")
    if place in ("turn", "step"):
        tab.click(".facts .inspect")
        tab.until_text("#inspector h2", "Turn 1 of 1")
    if place == "step":
        tab.click("#inspector li:nth-child(2) button")
        tab.until("document.querySelector('#inspector .detail')")
        assert str(tab.value(HASH)).endswith("/t/1/s/2")
    if place in ("about", "files"):
        tab.click("#about")
        tab.until_text("#inspector h2", "careful")
    if place == "files":
        tab.click("#inspector header .choice button:last-child")
        tab.until(f"{HASH}.endsWith('/files')")
    the_same_after_a_reload(tab)
    address = tab.value(HASH)
    tab.value("history.back()")
    tab.until(f"{HASH} !== {address!r}")
    tab.value("history.forward()")
    tab.until(f"{HASH} === {address!r} && document.querySelector('#inspector header')")


def test_two_tabs_of_one_conversation_have_the_same_after_a_reload(
    tab: Tab, agent: Careful, browser: Chromium
) -> None:
    begun(tab, agent, "hello")
    answered(tab)
    with browser.target() as session:
        other = Tab(browser, session)
        other.open(str(tab.value("location.href")))
        other.until_text("#log", "You said hello")
        other.say("from the other tab")
        answered(other, 2)
        tab.say("from the first")
        answered(tab, 2)
        for each in (tab, other):
            reloaded(each)
            each.until("document.querySelectorAll('.said').length === 3")
        seen = json.dumps(tab.value(SEEN))
        other.until(f"{SEEN} === {seen}")


def test_a_forgotten_conversation_is_not_gone_on_with(tab: Tab, tmp_path: Path) -> None:
    with careful(tmp_path, "--ephemeral") as agent:
        begun(tab, agent, "hello")
        answered(tab)
        address = str(tab.value("location.href"))
    with careful(tmp_path, "--ephemeral") as agent:
        tab.open(agent.page + "#" + address.split("#")[1])
        tab.until_text("#log", "no longer exists")
        tab.send("Page.reload")
        tab.until(f"{HASH} === '#/' && document.querySelector('.start')")
