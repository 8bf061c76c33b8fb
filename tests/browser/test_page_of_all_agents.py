"""The page of everything that an `omnia up` runs."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.accessibility import needs_axe, violations
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered
from tests.browser.test_function_page import field
from tests.browser.test_page_for_everybody import check
from tests.end_to_end.conftest import Up, copied, environment_of, starting

CARDS = "[...document.querySelectorAll('.card')].map((each) => each.innerText)"
STATES = (
    "Object.fromEntries([...document.querySelectorAll('#rail a')].filter((each) =>"
    " each.querySelector('.dot')).map((each) => [each.querySelector('span').innerText,"
    " each.querySelector('.dot').ariaLabel]))"
)
CTRL = 2
FOUND = "[...document.querySelectorAll('#found li span')].map((each) => each.innerText)"


class Running:
    """An `omnia up` of two examples, and of an agent that cannot run."""

    def __init__(self, up: Up, folder: Path) -> None:
        self.folder = folder
        self.pids = {
            name: up.wait("ready", name=name)["pids"]
            for name in ("support-agent", "summarizer-function")
        }
        self.page = up.wait("serving")["hub"]

    def replace(self, file: str, old: str, new: str) -> None:
        """Change a file of the agent, as an editor saves it."""
        path = self.folder / "support-agent" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    support, summarizer = (
        copied(name, tmp_path) for name in ("support-agent", "summarizer-function")
    )
    text = (support / "agent.yaml").read_text().replace("name: support-agent", "name: lost-agent")
    (support / "lost.yaml").write_text(text.replace("name: support-pack", "name: lost-pack"))
    with starting(tmp_path, environment_of(tmp_path)) as start:
        yield Running(start(support, summarizer), tmp_path)


def find(tab: Tab, text: str) -> None:
    """Open the dialog with its keys, and type."""
    keys = {"key": "k", "code": "KeyK", "windowsVirtualKeyCode": 75, "modifiers": CTRL}
    tab.send("Input.dispatchKeyEvent", type="rawKeyDown", **keys)
    tab.send("Input.dispatchKeyEvent", type="keyUp", **keys)
    tab.until("document.activeElement.role === 'combobox'")
    tab.send("Input.insertText", text=text)


def test_what_runs_and_what_does_not_is_seen(tab: Tab, running: Running) -> None:
    tab.open(running.page)
    tab.until_text("#state", "3 agents, since")
    assert tab.text("#name") == f"What runs in {running.folder.name}"
    assert tab.value(STATES) == {
        "lost-agent": "not running",
        "summarizer-function": "ready",
        "support-agent": "ready",
    }
    first, *others = tab.value(CARDS)
    assert "lost-agent" in first
    assert "not running" in first
    assert "lost.yaml:" in first
    assert "function · mock · prompt 1.0.0" in others[0]
    assert "Answers questions about the orders of a shop." in others[1]
    assert "mock · prompt 1.0.0" in others[1]


def test_one_goes_from_agent_to_agent_and_comes_back(tab: Tab, running: Running) -> None:
    tab.open(running.page)
    tab.until_text(".cards", "support-agent")
    tab.click(".card:nth-child(3) a")
    tab.until_text("#state", "Connected")
    assert tab.value("location.hash") == "#/a/default/support-agent"
    tab.say("Where is order A-1001?")
    assert "Order A-1001" in answered(tab)
    assert str(tab.value("location.hash")).startswith("#/a/default/support-agent/c/")
    address = tab.value("location.href")

    tab.click("#rail a[href='#/a/default/summarizer-function']")
    tab.until_text("#name", "summarizer-function")
    tab.until_text("#state", "Ready")
    current = "document.querySelector('#rail a[aria-current=page] span').innerText"
    assert tab.value(current) == "summarizer-function"
    tab.fill(field(tab, "text"), "A desk. A lamp.")
    tab.click("#call")
    tab.until_text("#result pre", "summary")

    tab.value("history.back()")
    tab.until_text("#log", "Order A-1001")
    assert tab.value("location.href") == address
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")
    # The sums of the day are those of the history.
    tab.click("header .home")
    tab.until_text(".sums", "Answers today")
    tab.until_text(".card:nth-child(3)", "1 answer today")


def test_a_changed_prompt_is_a_seam_in_the_conversation(tab: Tab, running: Running) -> None:
    tab.open(f"{running.page}#/a/default/support-agent")
    tab.until_text("#state", "Connected")
    tab.say("hello")
    answered(tab)
    running.replace("promptpack.yaml", "version: 1.0.0\n", "version: 1.0.1\n")
    tab.until_text("#log", "prompt 1.0.0 → 1.0.1 from here on")
    tab.say("thanks")
    answered(tab, 2)
    said = tab.text("#log")
    in_order = ["hello", "prompt 1.0.0 → 1.0.1 from here on", "thanks"]
    assert sorted(in_order, key=said.index) == in_order


def test_an_agent_that_stops_and_comes_back_is_seen(tab: Tab, running: Running) -> None:
    tab.open(running.page)
    tab.until_text(".cards", "lost-agent")
    running.replace("lost.yaml", "name: lost-pack", "name: support-pack")
    tab.until(f"{STATES}['lost-agent'] === 'ready'")
    assert "lost.yaml:" not in tab.text(".cards")
    # What is broken now goes on as it was, and says so.
    running.replace("agent.yaml", "name: support-pack", "name: nowhere")
    tab.until_text(".cards", "the change is not in use")
    assert tab.value(STATES)["support-agent"] == "ready"
    (running.folder / "support-agent" / "lost.yaml").unlink()
    running.replace("agent.yaml", "name: nowhere", "name: support-pack")
    tab.until(f"!('lost-agent' in {STATES})")
    tab.until("!document.querySelector('.card .error')")


def test_a_page_of_an_agent_that_does_not_run_says_why_until_it_runs(
    tab: Tab, running: Running
) -> None:
    tab.open(f"{running.page}#/a/default/lost-agent")
    tab.until_text("#state", "lost.yaml:")
    running.replace("lost.yaml", "name: lost-pack", "name: support-pack")
    tab.until_text("#state", "Connected")
    tab.say("hello")
    assert "Hello!" in answered(tab)


def test_the_page_outlives_the_facade_of_its_agent(tab: Tab, running: Running) -> None:
    tab.open(f"{running.page}#/a/default/support-agent")
    tab.until_text("#state", "Connected")
    tab.say("hello")
    answered(tab)
    os.kill(running.pids["support-agent"]["facade"], signal.SIGKILL)
    tab.until("document.getElementById('state').dataset.state === 'connecting'")
    tab.say("thanks")
    assert "welcome" in answered(tab, 2)


def test_an_agent_that_is_not_there_is_told(tab: Tab, running: Running) -> None:
    tab.open(f"{running.page}#/a/default/nobody")
    tab.until_text("#agents", "There is no agent nobody here.")
    tab.until_text(".cards", "support-agent")


def test_anything_is_found_with_the_keyboard(tab: Tab, running: Running) -> None:
    tab.open(running.page)
    tab.until_text(".cards", "support-agent")
    find(tab, "support")
    tab.until(f"{FOUND}.join() === 'support-agent,Said: support'")
    tab.press("Enter")
    tab.until_text("#state", "Connected")
    tab.say("Where is order A-1001?")
    answered(tab)
    place = tab.value("location.hash")

    find(tab, "")
    tab.until(f"{FOUND}.includes('New conversation')")
    tab.press("Escape")
    tab.until("!document.getElementById('find').open")
    find(tab, "all ag")
    tab.until(f"{FOUND}[0] === 'All agents'")
    tab.press("Enter")
    tab.until("location.hash === '#/'")
    # Conversations have the names of what was said first.
    find(tab, "order a-1001")
    tab.until(f"{FOUND}.length === 2")
    tab.press("Enter")
    tab.until_text("#log", "Conversation resumed")
    assert tab.value("location.hash") == place
    # What else was said is for the history to find.
    find(tab, "is on its way")
    tab.until(f"{FOUND}.join() === 'Said: is on its way'")
    tab.press("Enter")
    tab.until_text("#history table", "support-agent")
    assert tab.value("location.hash") == "#/history?q=is+on+its+way"


def test_a_conversation_with_a_name_is_found_by_its_first_words_too(
    tab: Tab, running: Running
) -> None:
    tab.open(f"{running.page}#/a/default/support-agent")
    tab.until_text("#state", "Connected")
    tab.say("Is order A-7001 lost?")
    answered(tab)
    changed = "document.querySelector('#rail button[aria-label=\"Change Is order A-7001 lost?\"]')"
    tab.until(f"{changed}?.click() === undefined && document.activeElement.ariaLabel === 'Name'")
    tab.fill("#rail .entry input", "Nothing to see")
    tab.press("Enter")
    tab.until("document.querySelector('#rail a[title=\"Nothing to see\"]')")
    find(tab, "a-7001 lost")
    tab.until(f"{FOUND}[0] === 'Nothing to see'")


def test_a_dialog_that_is_closed_stops_no_answer(tab: Tab, running: Running) -> None:
    tab.open(f"{running.page}#/a/default/support-agent")
    tab.until_text("#state", "Connected")
    find(tab, "")
    heard = "window.heard = 0; addEventListener('keydown', () => window.heard++); true"
    tab.value(heard)
    tab.press("Escape")
    tab.until("!document.getElementById('find').open")
    assert tab.value("window.heard") == 0


def test_the_pages_are_for_everybody(tab: Tab, running: Running) -> None:
    tab.open(running.page)
    tab.until_text(".cards", "support-agent")
    check(tab)


def test_axe_finds_nothing(tab: Tab, running: Running) -> None:
    needs_axe()
    tab.open(running.page)
    tab.until_text(".cards", "support-agent")
    for hash_, shown in (
        ("#/", ".cards"),
        ("#/a/default/support-agent", ".start"),
        ("#/a/default/summarizer-function", "#fields input, #fields textarea"),
    ):
        tab.value(f"location.hash = {hash_!r}")
        tab.until(f"document.querySelector({shown!r})")
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert violations(tab) == []
    find(tab, "agent")
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        assert violations(tab) == []
    tab.press("Escape")
    tab.value("location.hash = '#/'")
    tab.narrow(375)
    tab.click(".open-rail")
    tab.until("document.getElementById('rail').checkVisibility()")
    assert violations(tab) == []
