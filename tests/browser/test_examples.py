"""The pages of two examples, as `omnia up` runs them."""

import os
import signal
from typing import Any

from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered
from tests.browser.test_function_page import field, labelled, wrong


def test_the_page_of_one_agent_leads_to_that_of_all(
    tab: Tab, ready: dict[str, dict[str, Any]]
) -> None:
    for name, known in ready.items():
        tab.open(str(known["console"]))
        tab.until_text("#all-agents", "All agents")
        tab.click("#all-agents")
        tab.until_text(".cards", name)
        assert tab.value("location.origin") not in str(known["console"])
        assert tab.value("document.getElementById('all-agents')") is None


def test_a_person_chats_and_the_conversation_survives_the_facade(
    tab: Tab, ready: dict[str, dict[str, Any]]
) -> None:
    shown = ready["support-agent"]
    tab.open(shown["console"])
    tab.becomes("document.title", "support-agent · Omnia")
    tab.say("Where is order A-1001?")
    said = answered(tab)
    assert "Order A-1001" in said
    assert "tokens in" in said
    assert "first after" in said
    assert "in all" in said
    assert tab.text(".tool summary").startswith("lookup_order done")
    tab.click(".tool summary")
    assert '"order_id": "A-1001"' in tab.text(".tool")
    assert '"status"' in tab.text(".tool")

    session = tab.value("document.getElementById('session').value")
    os.kill(shown["pids"]["facade"], signal.SIGKILL)
    tab.until("document.getElementById('state').dataset.state === 'connecting'")
    tab.say("thanks")
    assert "welcome" in answered(tab, 2)
    tab.becomes("document.getElementById('session').value", session)
    # The reloaded page goes on with the same conversation, too.
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")
    assert tab.value("document.getElementById('session').value") == session
    shown_again = tab.text("#log")
    in_order = ["Where is order A-1001?", "lookup_order done", "Order A-1001", "thanks", "welcome"]
    assert sorted(in_order, key=shown_again.index) == in_order
    assert shown_again.index("welcome") < shown_again.index("Conversation resumed")
    tab.click(".tool summary")
    assert '"order_id": "A-1001"' in tab.text(".tool")
    assert '"status"' in tab.text(".tool")
    tab.say("Where is order A-1002?")
    tab.until_text("#log", "floor lamp")
    tab.click("#new")
    tab.until(f"document.getElementById('session').value !== {session!r}")
    tab.until_text(".start h2", "Answers questions about the orders of a shop.")
    tab.click(".questions li:nth-child(1) button")
    assert "Order A-1001" in answered(tab)


def test_the_example_is_called_and_a_mistake_is_told_at_its_field(
    tab: Tab, ready: dict[str, dict[str, Any]]
) -> None:
    tab.open(ready["summarizer-function"]["console"])
    tab.fill(field(tab, "text"), "One sentence. Another one.")
    tab.fill(field(tab, "maxWords"), "5")
    tab.press("Enter")
    tab.until_text("#summary", "input_invalid")
    assert "minimum" in wrong(tab, "maxWords")
    assert wrong(tab, "text") == ""
    focused = "document.activeElement === " + labelled("maxWords")
    assert tab.value(focused)
    assert tab.value("document.activeElement.getAttribute('aria-invalid')") == "true"
    tab.fill(field(tab, "maxWords"), "20")
    tab.click("#call")
    tab.until_text("#result pre", '"summary": "One sentence."')
    assert wrong(tab, "maxWords") == ""
    assert "tokens in" in tab.text("#result dl")
    assert "in the facade" in tab.text("#result dl")
