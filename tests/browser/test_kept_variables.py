"""The variables and the times of a turn that `omnia up` keeps, in the page and in the terminal."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered
from tests.end_to_end.conftest import running_up
from tests.programs import PYTHON
from tests.services import LIMIT, free_port

MANIFEST = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: desk-pack}
spec:
  version: 1.0.0
  source: {type: configmap, configMapRef: {name: desk-pack}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: desk-pack}
data:
  pack.json: |
    {"id": "desk", "name": "Desk", "version": "1.0.0",
     "template_engine": {"version": "v1", "syntax": "{{variable}}"},
     "prompts": {"main": {"id": "main", "name": "Main", "version": "1.0.0",
       "system_template": "The customer has the plan {{plan}}.",
       "variables": [{"name": "plan", "type": "string", "required": true,
         "validation": {"enum": ["free", "gold"]}}]}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {name: desk}
spec:
  facade: {type: websocket, port: PORT}
  promptPackRef: {name: desk-pack}
  provider: {type: mock}
"""
TURNS = """fetch(`api/sessions/${document.getElementById('session').value}/turns`)
    .then((answer) => answer.json()).then(({turns}) => turns)"""


class Desk:
    """The agent, as `omnia up` runs it."""

    def __init__(self, page: str, folder: Path) -> None:
        self.page = page
        self.folder = folder

    def shown(self, session: str) -> str:
        """Return what the terminal says of a session."""
        command = [PYTHON, "-m", "omnia_cli", "sessions", "show", session]
        state = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state")}
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env=state, timeout=LIMIT
        ).stdout


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "desk.yaml").write_text(MANIFEST.replace("PORT", str(free_port())))
    with running_up(folder, "-f", str(folder / "desk.yaml")) as up:
        yield Desk(str(up.wait("ready", name="desk")["console"]), folder)


def test_a_past_turn_has_the_prompt_and_the_times_that_it_had(tab: Tab, desk: Desk) -> None:
    tab.open(desk.page)
    tab.until_text("#state", "Connected")
    tab.until_text(".variables summary", "plan needs a value")
    tab.click(".variables summary")
    tab.choose("#variable-plan", "gold")
    tab.say("hello")
    answered(tab, 1)
    # Another value from now on: that of the turn stays.
    tab.choose("#variable-plan", "free")
    tab.click(".message.agent .inspect")
    tab.until("location.hash.endsWith('/t/1')")
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")
    tab.until_text(".message.agent .facts", "first after")
    tab.click("#inspector .timeline button")
    tab.until_text("#inspector .detail", "First word after")
    tab.click("#inspector details summary")
    tab.until_text("#inspector .prompt", "The customer has the plan gold.")
    assert "plan = free" in tab.text(".variables summary")

    (turn,) = tab.value(TURNS)
    (call,) = turn["trail"]["provider_calls"]
    assert turn["variables"] == {"plan": "gold"}
    assert 0 <= call["first_word_ms"] <= call["duration_ms"]
    shown = desk.shown(tab.value("document.getElementById('session').value"))
    assert "user: hello [plan=gold]" in shown
    assert f"(first word after {call['first_word_ms']:.0f} ms)" in shown
