"""The states of a conversation and their words, each made by a real fault."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.careful import Careful, careful
from tests.browser.served import PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened

LAST = ".message.agent:last-of-type"
NO_TOKENS = re.compile(r"\b0 tokens")
MESSAGE = "document.getElementById('message').value"


@pytest.fixture(scope="module")
def agent_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careful]:
    with careful(tmp_path_factory.mktemp("careful")) as found:
        yield found


def talking(tab: Tab, agent: Careful) -> None:
    tab.open(agent.page)
    tab.until_text("#state", "Connected")


def test_a_message_that_waits_is_taken_back(tab: Tab, agent: Served) -> None:
    runtime = opened(tab, agent)
    tab.say("slow")
    tab.until_text(".message.agent[aria-busy=true]", "so far")
    for number in range(1, 10):
        tab.say(f"number {number}")
    tab.until_text("#log", "Eight messages wait already. This one is sent when there is room.")
    waiting = "[...document.querySelectorAll('.message.user .facts')].map((each) => each.innerText)"
    assert sum("waits for the answer before" in each for each in tab.value(waiting)) == 8
    tab.value("[...document.querySelectorAll('.message.user button')].at(-1).click()")
    tab.until(f"{MESSAGE} === 'number 9'")
    assert "Eight messages" not in tab.text("#log")
    tab.press("Escape")
    tab.until_text("#log", "you said number 8")
    assert [each.content for each in runtime.received][-1] == "number 8"


def test_a_stopped_answer_is_never_without_tokens_and_is_gone_on_with(
    tab: Tab, agent_up: Careful
) -> None:
    talking(tab, agent_up)
    tab.say("write")
    tab.until_text(".message.agent[aria-busy=true]", "word")
    tab.press("Escape")
    said = answered(tab)
    assert "stopped by you" in said
    assert "cost not known" in said
    assert not NO_TOKENS.search(said)
    tab.until_text(".message.agent", "Go on")
    buttons = "[...document.querySelectorAll('.facts button')]"
    tab.value(f"{buttons}.find((each) => each.innerText === 'Go on').click()")
    assert "You said Go on" in answered(tab, 2)
    assert "Go on" not in tab.text(".message.agent .facts")
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")
    assert "stopped by you" in tab.text(".message.agent")
    assert not NO_TOKENS.search(tab.text("#log"))


def test_a_long_wait_is_said_with_the_model(tab: Tab) -> None:
    with served(PageRuntime()) as agent:
        opened(tab, agent)
        tab.say("think")
        tab.until_text(".waiting", "asking the model, 1 s")
        assert tab.text(f"{LAST} [role=status]") == ""
        tab.until_text(".waiting", "Still waiting for the model, 1")
        assert tab.text(".waiting").endswith("s. Esc stops it.")
        assert tab.text(f"{LAST} [role=status]") == "Still waiting for the model, 10 s."
        tab.press("Escape")
        answered(tab)


def test_the_time_of_a_call_is_seen_while_it_runs(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("ask")
    time = "[...document.querySelectorAll('.steps small')].at(-1).innerText"
    tab.until(f"{time}.startsWith('running ')")
    assert tab.value("document.querySelector('.track i.runs') !== null")
    before = tab.value(time)
    tab.until(f"{time} !== {before!r}")
    tab.press("Escape")
    answered(tab)
    assert "running" not in tab.text(f"{LAST} .steps")


def test_a_tool_that_fails_says_that_the_agent_was_told(tab: Tab, agent_up: Careful) -> None:
    talking(tab, agent_up)
    tab.say("look")
    said = answered(tab)
    assert "lookup_order failed. The agent was told, and answers without it." in said
    assert "I could not look it up." in said
    assert tab.text(".message.agent .waits code") != ""


def test_what_a_check_holds_back_is_struck_through(tab: Tab, agent_up: Careful) -> None:
    talking(tab, agent_up)
    tab.say("phone")
    answered(tab)
    tab.until_text(f"{LAST} .facts", "held back by banned_words")
    struck = f"document.querySelector('{LAST} [role=deletion]')"
    assert tab.value(f"{struck}.innerText") == "You can reach him at 0170"
    assert tab.value(f"getComputedStyle({struck}).textDecorationLine") == "line-through"
    assert "I cannot share phone numbers." in tab.text(LAST)


def test_a_lost_connection_comes_back_and_what_is_missing_is_said(tab: Tab, tmp_path: Path) -> None:
    with careful(tmp_path) as agent:
        talking(tab, agent)
        tab.say("hello")
        answered(tab)
        os.kill(agent.pids["facade"], signal.SIGKILL)
        tab.until_text(
            "#log .waits", "The connection is lost. What you write is kept. Trying again"
        )
        assert tab.text("#log .waits button") == "Try now"
        tab.until_text("#log", "connected again")
        assert ", nothing is missing" in tab.text("#log .note")
        assert tab.value("document.querySelector('#log .waits')") is None
        tab.say("write")
        tab.until_text(".message.agent[aria-busy=true]", "word")
        pids = agent.up.wait("ready", name="careful")["pids"]
        os.kill(pids["facade"], signal.SIGKILL)
        tab.until_text(".message.agent .error", "The answer broke off. What it said is kept here.")
        tab.until("document.querySelectorAll('#log .note').length === 2")
        assert "nothing" not in tab.text("#log .note:last-of-type")


def test_an_answer_that_breaks_off_says_whether_it_is_kept(tab: Tab, tmp_path: Path) -> None:
    with careful(tmp_path) as agent:
        talking(tab, agent)
        tab.say("write")
        tab.until_text(".message.agent[aria-busy=true]", "word")
        os.kill(agent.pids["runtime"], signal.SIGKILL)
        tab.until_text(".message.agent .error", "The answer broke off.")
        said = tab.text(".message.agent .error")
        assert "AGENT_UNAVAILABLE" in said
        assert "What it said is kept." in said
        assert "Send again" in said


def test_an_agent_that_lost_its_memory_says_so(tab: Tab, tmp_path: Path) -> None:
    with careful(tmp_path, "--ephemeral") as agent:
        talking(tab, agent)
        tab.say("hello")
        answered(tab)
        for name in ("runtime", "facade"):
            os.kill(agent.pids[name], signal.SIGKILL)
        tab.until_text("#log", "does not remember what is above")
        assert "hello" in tab.text("#log")
        tab.say("and now")
        assert "You said and now" in answered(tab, 2)


class Slow(PageRuntime):
    """Tells what was said only when it may."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.may = asyncio.Event()

    async def ReadConversation(  # noqa: N802 - as the generated servicer has it
        self, request: pb.ReadConversationRequest, context: Any
    ) -> pb.ReadConversationResponse:
        await self.may.wait()
        return await super().ReadConversation(request, context)


def test_a_conversation_that_is_still_read_says_so(tab: Tab) -> None:
    said = pb.ReadConversationResponse(
        state=pb.RESUME_STATE_RESUMABLE,
        messages=[
            pb.ConversationMessage(role="user", content="Where?"),
            pb.ConversationMessage(role="assistant", content="At sea.", finish_reason="stop"),
        ],
    )
    runtime = Slow(resume=pb.RESUME_STATE_RESUMABLE, conversation=said)
    with served(runtime) as agent:
        tab.open(f"{agent.page}#/c/earlier")
        tab.until_text("#log", "Reading the conversation")
        assert tab.value("document.querySelector('.start')") is None
        agent.do(runtime.may.set)
        tab.until_text("#log", "At sea.")
        assert "Reading" not in tab.text("#log")
