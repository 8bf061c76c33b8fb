"""Two lanes of the page: one question, two versions or providers, and what differs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.accessibility import needs_axe, violations
from tests.browser.served import PageRuntime, served
from tests.browser.tab import Tab
from tests.browser.tried import writer
from tests.end_to_end.conftest import running_up
from tests.services import free_port

LANE = ".lanes > .in-{} .message.agent"
ANSWERED = "document.querySelectorAll('.message.agent[aria-busy=false]').length === {}"
QUESTIONS = "[...document.querySelectorAll('.said')].map((each) => each.innerText)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with writer(tmp_path_factory.mktemp("compare")) as address:
        yield address


def opened(tab: Tab, page: str, lanes: str = "a=&b=%2Cwordy") -> None:
    tab.open("about:blank")
    tab.open(f"{page}#/compare?{lanes}")
    tab.until_text("#state", "Connected")


def lane(tab: Tab, name: str) -> str:
    return tab.text(LANE.format(name))


def test_each_question_goes_to_both_and_what_differs_is_said(tab: Tab, page: str) -> None:
    tab.open(page)
    tab.until_text("#rail", "Compare")
    tab.click("#compare")
    tab.until_text("#name", "Compare writer")
    tab.fill(".lane.in-b input[name=provider]", "wordy")
    tab.click(".lane.in-b button")
    tab.until("location.hash.includes('wordy')")
    tab.until_text("#state", "Connected")
    tab.say("hello")
    tab.until(ANSWERED.format(2))
    assert "Brief: hello" in lane(tab, "a")
    assert "Wordy, at length, with many more words: hello" in lane(tab, "b")
    assert "% more tokens" in tab.text(".lanes > .in-b > .facts")
    tab.until_text(".difference", "% more tokens")
    assert tab.value(QUESTIONS) == ["hello"]
    # The address has both sessions: a reload shows the same.
    tab.send("Page.reload")
    tab.until(ANSWERED.format(2))
    assert "Wordy" in lane(tab, "b")


def test_a_lane_that_fails_leaves_the_other(tab: Tab, page: str) -> None:
    opened(tab, page, "a=9.9.9&b=")
    tab.say("hello")
    tab.until_text(".in-b .message.agent", "Brief: hello")
    tab.until_text(".in-a .error", 'no version "9.9.9" of the PromptPack')
    tab.say("again")
    tab.until("document.querySelectorAll('.in-b .message.agent[aria-busy=false]').length === 2")


def test_a_draft_of_the_prompt_is_tried_out_by_one_lane(tab: Tab, page: str) -> None:
    opened(tab, page, "a=&b=")
    tab.until("document.querySelector('.in-b textarea')?.value === 'You write.'")
    tab.click(".in-b summary")
    tab.fill(".in-b textarea", "You write {{nothing}}.")
    tab.click(".lane.in-b button")
    tab.until_text(".in-b summary", "a draft")
    tab.say("hello")
    tab.until_text(".in-a .message.agent", "Brief: hello")
    tab.until_text(".in-b .error", "INVALID_MESSAGE")
    tab.fill(".in-b textarea", "You write verse.")
    tab.click(".lane.in-b button")
    tab.until("!document.querySelector('.message')")
    tab.until_text("#state", "Connected")
    tab.say("hello")
    tab.until(ANSWERED.format(2))
    assert "B: a draft" in lane(tab, "b")
    sent = [each["response"]["payloadData"] for each in tab.events("Network.webSocketFrameSent")]
    trials = [found["trial"] for each in sent if "trial" in (found := json.loads(each))]
    as_it_is = {"version": "", "provider": ""}
    assert trials[-2:] == [as_it_is, {**as_it_is, "system": "You write verse."}]
    # What equals the prompt as it is is no draft.
    tab.fill(".in-b textarea", "You write.")
    tab.click(".lane.in-b button")
    tab.until("document.querySelector('.in-b summary').innerText === 'Prompt'")


EVALUATED = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: greeter-pack}
spec:
  version: 1.0.0
  source: {type: configmap, configMapRef: {name: greeter-pack}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: greeter-pack}
data:
  pack.json: |
    {"id": "greeter", "name": "Greeter", "version": "1.0.0",
     "template_engine": {"version": "v1", "syntax": "{{variable}}"},
     "prompts": {"main": {"id": "main", "name": "Main", "version": "1.0.0",
       "system_template": "You greet."}},
     "evals": [
       {"id": "greets", "type": "contains", "trigger": "every_turn",
        "params": {"patterns": ["Good day"]}},
       {"id": "ends", "type": "regex", "trigger": "every_turn",
        "params": {"pattern": "[.]$"}}]}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: kind}
spec: {type: mock, mock: {responses: {matches: [{contains: "", content: "Good day."}]}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: curt}
spec: {type: mock, mock: {responses: {matches: [{contains: "", content: "What now."}]}}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {name: greeter}
spec:
  facade: {type: websocket, port: PORT}
  promptPackRef: {name: greeter-pack}
  evals: {enabled: true}
  providers:
    - {name: default, providerRef: {name: kind}}
    - {name: curt, providerRef: {name: curt}}
"""


def test_the_evaluations_of_both_answers_are_compared(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "greeter.yaml").write_text(EVALUATED.replace("PORT", str(free_port())))
    with running_up(tmp_path, "-f", str(tmp_path / "greeter.yaml")) as up:
        opened(tab, str(up.wait("ready", name="greeter")["console"]), "a=&b=%2Ccurt")
        tab.say("hello")
        tab.until_text(".in-a .checks", "greets passed 1.00")
        tab.until_text(".in-b .checks", "greets failed 0.00")
        assert "ends passed 1.00" in tab.text(".in-b .checks")
        tab.until_text(".lanes > .in-b > .facts:last-child", "greets failed")
        assert "ends" not in tab.text(".lanes > .in-b > .facts:last-child")
        tab.until_text(".difference", "1 of 2 checks passed; A: 2 of 2 checks passed")
        # The page has asked again, and says nothing else.
        tab.send("Page.reload")
        tab.until_text(".in-b .checks", "greets failed 0.00")


def test_stop_stops_both(tab: Tab, page: str) -> None:
    opened(tab, page)
    tab.say("wait")
    tab.until("document.querySelectorAll('.waiting').length === 2")
    tab.press("Escape")
    tab.until(ANSWERED.format(2))
    assert [("stopped" in lane(tab, name)) for name in "ab"] == [True, True]
    tab.until("document.querySelector('#cancel').hidden")


def test_questions_of_a_file_are_asked_one_after_the_other(
    tab: Tab, page: str, tmp_path: Path
) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("first\n\n  second  \nwait\nnever asked\n")
    opened(tab, page)
    tab.choose_files("#question-file", file)
    tab.until(f"{QUESTIONS}.join() === 'first,second,wait'")
    tab.until("document.querySelectorAll('.waiting').length === 2")
    assert "1 questions wait" in tab.text(".difference")
    tab.press("Escape")
    tab.until(ANSWERED.format(6))
    assert tab.value(QUESTIONS) == ["first", "second", "wait"]


def test_one_lane_and_a_switch_where_there_is_no_room_for_two(tab: Tab, page: str) -> None:
    opened(tab, page)
    tab.say("hello")
    tab.until(ANSWERED.format(2))
    visible = (
        "[...document.querySelectorAll('.lanes .message.agent')].map((e) => e.checkVisibility())"
    )
    assert tab.value(visible) == [True, True]
    tab.narrow(375)
    tab.becomes(visible, [True, False])
    tab.click(".switch button:last-child")
    tab.becomes(visible, [False, True])
    width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert tab.value(width)


def test_nothing_is_compared_where_no_trial_is_allowed(tab: Tab) -> None:
    with served(PageRuntime(can=("fork",))) as agent:
        tab.open(agent.page)
        tab.until_text("#state", "Connected")
        tab.say("hello")
        tab.until("document.querySelector('.message.user .edit')")
        assert tab.value("document.querySelector('#compare')") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_in_a_comparison(tab: Tab, page: str, scheme: str, width: int) -> None:
    needs_axe()
    tab.prefer(scheme)
    opened(tab, page)
    tab.narrow(width)
    tab.say("hello")
    tab.until(ANSWERED.format(2))
    assert violations(tab) == []
