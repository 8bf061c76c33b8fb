"""The list of all keys, and the keys that it names."""

from pathlib import Path

from tests.browser.accessibility import needs_axe, violations
from tests.browser.served import Served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened, pasted
from tests.browser.test_function_page import ORDER, function

OPEN = "document.querySelector('#all-keys').open"
FOCUSED = "document.activeElement.id"
KEYS = "[...document.querySelectorAll('#all-keys dt')].map((each) => each.innerText)"
MESSAGE = "document.getElementById('message').value"


def test_a_question_mark_outside_fields_opens_the_list(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.until(f"{FOCUSED} === 'message'")
    tab.sign("?")
    tab.becomes(MESSAGE, "?")
    assert tab.value(OPEN) is False
    tab.value("document.getElementById('log').focus()")
    tab.sign("?")
    tab.until(OPEN)
    keys = tab.value(KEYS)
    assert {"Enter", "?", "Alt N"} <= set(keys)
    # There is no answer yet, no form of a function, and one agent only.
    assert {"Alt C", "Ctrl Enter", "Alt 1"} & set(keys) == set()
    tab.press("Escape")
    tab.until(f"!{OPEN}")
    assert tab.value(FOCUSED) == "log"


def test_escape_in_the_list_stops_no_answer(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("slow")
    tab.until_text(".message.agent[aria-busy=true]", "so far")
    tab.click("#keys-open")
    tab.until(OPEN)
    tab.press("Escape")
    tab.until(f"!{OPEN}")
    assert tab.value("document.querySelector('[aria-busy=true]') !== null")
    tab.press("Escape")
    assert "stopped" in answered(tab)


def test_single_letters_can_be_switched_off_on_this_device(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.value("document.getElementById('log').focus()")
    tab.sign("/")
    tab.becomes(FOCUSED, "message")
    tab.becomes(MESSAGE, "")
    tab.click("#keys-open")
    tab.until(OPEN)
    tab.click("#all-keys input")
    tab.press("Escape")
    tab.send("Page.reload")
    tab.until_text("#state", "Connected")
    tab.value("document.getElementById('log').focus()")
    tab.sign("/")
    tab.sign("?")
    tab.becomes(FOCUSED, "log")
    assert tab.value(OPEN) is False
    # The button and the keys with Alt stay.
    tab.click("#keys-open")
    tab.until(OPEN)
    tab.click("#all-keys input")
    tab.click("#all-keys > button")
    tab.value("document.getElementById('log').focus()")
    tab.sign("?")
    tab.until(OPEN)


def test_alt_c_copies_the_last_answer(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("one")
    answered(tab)
    tab.say("two")
    answered(tab, 2)
    tab.alt("KeyC", "c")
    tab.until_text(".message.agent:last-of-type .copy", "Copied")
    assert pasted(tab) == "you said two"


def test_control_and_enter_call_a_function(tab: Tab, tmp_path: Path) -> None:
    with function(tmp_path, ORDER) as agent:
        tab.open(agent.page)
        tab.until_text("#state", "Ready")
        tab.send(
            "Input.dispatchKeyEvent",
            type="rawKeyDown",
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            modifiers=2,
        )
        tab.until_text("#summary", "input_invalid")
        tab.click("#keys-open")
        tab.until(OPEN)
        assert tab.value(KEYS) == ["Esc", "Ctrl Enter", "?"]


def test_the_list_is_readable_on_every_screen(tab: Tab, agent: Served) -> None:
    needs_axe()
    opened(tab, agent)
    tab.click("#keys-open")
    tab.until(OPEN)
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        assert violations(tab) == []
    tab.narrow(320)
    parts = "[...document.querySelectorAll('#all-keys, #all-keys *')]"
    edges = f"{parts}.map((each) => each.getBoundingClientRect())"
    assert tab.value(f"{edges}.every(({{ left, right }}) => left >= 0 && right <= 320)")
