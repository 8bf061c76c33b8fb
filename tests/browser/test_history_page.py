"""The history of what an `omnia up` runs: search, filters, sums, more of it, and resume."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from websockets.sync.client import connect

from tests.browser.accessibility import needs_axe, violations
from tests.browser.tab import Tab
from tests.browser.test_addresses import HASH
from tests.browser.test_page_for_everybody import check
from tests.end_to_end.conftest import copied, environment_of, starting
from tests.end_to_end.test_sessions import ask
from tests.programs import PYTHON
from tests.services import free_port

ROWS = "[...document.querySelectorAll('#history tbody tr')].map((each) => each.innerText)"
# More than a page has.
TALKS = 33


class Spoken:
    """An `omnia up` with conversations and a call, of which the last conversation has a name."""

    def __init__(self, page: str, session: str, environment: dict[str, str], folder: Path) -> None:
        self.page = page
        self.session = session
        self.environment = environment
        self.folder = folder


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoken]:
    folder = tmp_path_factory.mktemp("history")
    support, summarizer = (
        copied(name, folder) for name in ("support-agent", "summarizer-function")
    )
    environment = environment_of(folder)
    with starting(folder, environment) as start:
        up = start(support, summarizer)
        url = up.wait("ready", name="support-agent")["url"]
        up.wait("ready", name="summarizer-function")
        page = up.wait("serving")["hub"]
        for _ in range(TALKS):
            with connect(url) as socket:
                session = str(orjson.loads(socket.recv(60))["session_id"])
                ask(socket)
        name = [PYTHON, "-m", "omnia_cli", "sessions", "name", session, "Zebra crossing"]
        subprocess.run([*name, "--agent", url], env=environment, check=True, cwd=folder)
        yield Spoken(page, session, environment, folder)


def found(tab: Tab, spoken: Spoken, query: str) -> None:
    """Open the history with a query, as a link does."""
    tab.open(f"{spoken.page}#/history{query}")
    tab.until("document.getElementById('state').dataset.state === 'open'")


def views(tab: Tab) -> int:
    """How often the page asked for its second script."""
    return sum(url.endswith("/hub/views.js") for url in tab.requested)


def test_the_history_is_imported_once_and_when_it_is_opened(tab: Tab, spoken: Spoken) -> None:
    tab.open(spoken.page)
    tab.until_text(".cards", "support-agent")
    assert views(tab) == 0
    for _ in range(2):
        tab.click("#rail a[href='#/history']")
        tab.until(f"{ROWS}.length > 0")
        assert views(tab) == 1
        tab.value("history.back()")
        tab.until_text(".cards", "support-agent")


def test_a_view_that_cannot_be_read_says_what_to_do(tab: Tab, spoken: Spoken) -> None:
    tab.send("Network.setBlockedURLs", urls=["*/hub/views.js"])
    tab.open(f"{spoken.page}#/history")
    tab.until_text("[role=alert]", "load the page again")


def test_conversations_are_found_by_words_and_by_names_and_gone_on_with(
    tab: Tab, spoken: Spoken
) -> None:
    tab.open(spoken.page)
    tab.until("document.querySelector('#rail a[href=\"#/history\"]')")
    tab.click('#rail a[href="#/history"]')
    tab.until(f"{ROWS}.length === 30")
    assert f"30 of {TALKS} of the last 7 days" in tab.text("#history [role=status]")
    assert f"{TALKS} turns" in tab.text("#history [role=status]")
    assert str(tab.value(f"{ROWS}[0]")).startswith("Zebra crossing\tsupport-agent\t1\t")
    # One without a name has what was said first.
    assert str(tab.value(f"{ROWS}[1]")).startswith("hi\tsupport-agent\t1\t")
    tab.click("#history .row:last-child button")
    tab.until(f"{ROWS}.length === {TALKS}")
    tab.fill("#words", "ZEBRA")
    tab.press("Enter")
    tab.until(f"{ROWS}.length === 1")
    assert tab.value(HASH) == "#/history?q=ZEBRA"
    tab.send("Page.reload")
    tab.until(f"{ROWS}.length === 1 && document.getElementById('words').value === 'ZEBRA'")
    tab.click("#history tbody a")
    tab.until_text("#log", "Conversation resumed")
    assert str(tab.value(HASH)).endswith(f"/support-agent/c/{spoken.session}")
    tab.value("history.back()")
    tab.until(f"{ROWS}.length === 1")


def test_filters_are_in_the_address_and_nothing_found_is_told(tab: Tab, spoken: Spoken) -> None:
    found(tab, spoken, "")
    tab.choose("#history select[aria-label=State]", "failed")
    tab.until_text("#history [role=status]", "No conversation of the last 7 days.")
    assert tab.value(HASH) == "#/history?status=error"
    tab.click("#history .row:last-child button")
    tab.until(f"{HASH} === '#/history?status=error&from=all'")
    tab.until_text("#history [role=status]", "No conversation. Try an agent")
    found(tab, spoken, "?q=%3Cimg%20src%3Dx%3E&agent=support-agent&from=1")
    tab.until_text("#history [role=status]", 'of the last day has "<img src=x>" in it')
    assert tab.value("document.querySelector('#history select').value") == "support-agent"
    found(tab, spoken, "?agent=nobody&status=nothing&from=never")


def test_the_page_shows_what_the_command_line_says(tab: Tab, spoken: Spoken) -> None:
    show = [PYTHON, "-m", "omnia_cli", "sessions", "show", spoken.session, "--json"]
    options = ["-f", str(spoken.folder / "support-agent")]
    done = subprocess.run(
        [*show, *options],
        env=spoken.environment,
        check=True,
        cwd=spoken.folder,
        capture_output=True,
    )
    session = orjson.loads(done.stdout)["session"]
    found(tab, spoken, "?q=zebra")
    tab.until(f"{ROWS}.length === 1")
    tokens = session["input_tokens"] + session["output_tokens"]
    cells = str(tab.value(f"{ROWS}[0]")).split("\t")
    assert cells[:4] == [session["name"], session["agent"], str(session["turns"]), f"{tokens:,}"]


def test_the_history_is_usable_by_everybody(tab: Tab, spoken: Spoken) -> None:
    found(tab, spoken, "")
    tab.until(f"{ROWS}.length === 30")
    needs_axe()
    assert violations(tab) == []
    check(tab)


AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: twin, namespace: {namespace}}}
spec:
  prompt: {{system: You answer.}}
  facade: {{type: websocket, port: {port}}}
  provider: {{type: mock, mock: {{responses: {{defaultResponse: "I am of {namespace}."}}}}}}
"""

# The answers that each of the twins gives.
SPACES = {"east": 1, "west": 2}


def test_two_agents_of_one_name_are_told_apart(tab: Tab, tmp_path: Path) -> None:
    manifests = tmp_path / "twins"
    manifests.mkdir()
    for namespace in ("east", "west"):
        text = AGENT.format(namespace=namespace, port=free_port())
        (manifests / f"{namespace}.yaml").write_text(text)
    with starting(tmp_path, environment_of(tmp_path)) as start:
        up = start(manifests)
        urls = {namespace: up.wait("ready", namespace=namespace)["url"] for namespace in SPACES}
        page = up.wait("serving")["hub"]
        sessions = {}
        for namespace, turns in SPACES.items():
            with connect(urls[namespace]) as socket:
                sessions[namespace] = str(orjson.loads(socket.recv(60))["session_id"])
                for _ in range(turns):
                    ask(socket)
        tab.open(f"{page}#/history")
        tab.until(f"{ROWS}.length === 2")
        rows = [str(tab.value(f"{ROWS}[{index}]")).split("\t")[:3] for index in range(2)]
        assert rows == [["hi", "west/twin", "2"], ["hi", "east/twin", "1"]]
        for namespace, session in sessions.items():
            tab.open(f"{page}#/history")
            tab.choose("#history select[aria-label=Agent]", f"{namespace}/twin")
            tab.until(f"{ROWS}.length === 1")
            tab.click("#history tbody a")
            tab.until_text("#log", f"I am of {namespace}.")
            assert str(tab.value(HASH)).endswith(f"/{namespace}/twin/c/{session}")
        tab.open(page)
        for namespace, turns in SPACES.items():
            link = f"document.querySelector('.card a[href*=\"/{namespace}/\"]')"
            tab.until(f"{link}?.closest('.card').innerText.includes('{turns} answer')")
