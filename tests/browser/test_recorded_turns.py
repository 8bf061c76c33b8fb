"""What the server has recorded of a turn, in the page: the strip, the timeline and its details."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.accessibility import needs_axe, violations
from tests.browser.served import MARKUP, PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.browser.test_about_page import COMPOSED, DESCRIBED
from tests.browser.test_agent_page import answered, opened
from tests.end_to_end.conftest import running_up
from tests.services import free_port

STEPS = "[...document.querySelectorAll('.steps button')].map((each) => each.textContent.trim())"
PIECES = "[...document.querySelectorAll('.track i')].map((each) => parseFloat(each.style.width))"
HASH = "location.hash"
SUMMARY = """(async () => {
    const session = document.getElementById('session').value;
    for (;;) {
        const answer = await fetch(`api/sessions/${session}/turns`);
        if ((await answer.text()).includes('summary_made')) return true;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
})()"""
FOCUSED = "document.activeElement.textContent"


def called(at: str, duration: float, **fields: Any) -> pb.ProviderCall:
    usual: dict[str, Any] = {
        "provider": "default",
        "model": "m-1",
        "status": "success",
        "attempt": 1,
    }
    return pb.ProviderCall(
        began_at=f"2026-11-30T10:00:{at}Z", duration_ms=duration, **(usual | fields)
    )


def happened(at: str, kind: str, detail: str = "") -> pb.RuntimeEvent:
    return pb.RuntimeEvent(at=f"2026-11-30T10:00:{at}Z", kind=kind, detail=detail)


RECORDED = pb.ReadConversationResponse(
    state=pb.RESUME_STATE_RESUMABLE,
    messages=[
        pb.ConversationMessage(
            role="user",
            content="Where?",
            pack_version="2.1.0",
            variant="candidate",
            variables=pb.KeptVariables(values={"plan": "silver"}),
        ),
        pb.ConversationMessage(
            role="assistant",
            tool_calls=[pb.ToolCall(id="c1", name=MARKUP, arguments_json='{"id":"A-1"}')],
        ),
        pb.ConversationMessage(
            role="tool", tool_result=pb.ToolResult(id="c1", result_json='{"at":"sea"}')
        ),
        pb.ConversationMessage(role="assistant", content="At sea.", finish_reason="stop"),
    ],
    trails=[
        pb.TurnTrail(
            turn=1,
            provider_calls=[
                called("00.010", 20, status="error", fault="overloaded"),
                called("00.040", 900, attempt=2, input_tokens=800, output_tokens=12, cost_usd=0.25),
                called(
                    "01.260",
                    1100,
                    model="m-2",
                    provider="fallback",
                    output_tokens=84,
                    first_word_ms=550,
                ),
                called("02.500", 700, model="m-name", attempt=0, first_word_ms=1),
            ],
            tool_calls=[
                pb.ExecutedCall(
                    began_at="2026-11-30T10:00:00.945Z",
                    call_id="c1",
                    name=MARKUP,
                    handler="crm",
                    status="success",
                    duration_ms=310,
                )
            ],
            events=[
                happened("00.000", "turn_began"),
                happened("00.030", "provider_retried", "default: overloaded"),
                happened("01.257", "provider_fallback", "default to fallback"),
                happened("02.400", "turn_ended", "stop"),
                happened("03.200", "summary_made"),
            ],
        )
    ],
    eval_results=[
        pb.EvalResult(
            turn=1,
            at="2026-11-30T10:00:02.450Z",
            evaluation="polite",
            type="contains",
            source="inline",
            outcome="failed",
            score=0.25,
            passed=False,
            threshold=">= 0.5",
            explanation=f"no word of thanks {MARKUP}",
            duration_ms=0.5,
        )
    ],
)


@pytest.fixture(scope="module")
def recorded() -> Iterator[Served]:
    runtime = PageRuntime(
        resume=pb.RESUME_STATE_RESUMABLE,
        conversation=RECORDED,
        described=DESCRIBED,
        composed=COMPOSED,
    )
    with served(runtime, console_inside=True) as found:
        yield found


def test_a_turn_of_the_past_has_its_strip_and_its_pieces_are_the_turn(
    tab: Tab, recorded: Served
) -> None:
    tab.open(f"{recorded.page}#/c/earlier")
    tab.until("document.querySelector('.strip')")
    assert tab.value(STEPS) == [
        "m-1 0.02 s overloaded",
        "provider retried default: overloaded",
        "m-1 0.90 s",
        f"{MARKUP} 0.31 s",
        "provider fallback default to fallback",
        "m-2 1.10 s",
        "polite failed",
        "m-name 0.70 s",
        "summary made",
    ]
    # Of the naming nothing: it was after the turn. Pieces without a time are drawn, and have none.
    widths = tab.value(PIECES)
    assert len(widths) == 6
    assert 95 <= sum(widths) <= 100
    answer = tab.text(".message.agent")
    for fact in (
        "prompt 2.1.0",
        "800 tokens in",
        "96 tokens out",
        "$0.25",
        "first after 1.81 s",
        "2.40 s in all",
    ):
        assert fact in answer, fact
    assert "measured here" not in answer
    # Half of the call that answered was over when its first word came.
    waits = "[...document.querySelectorAll('.track i b')].map((each) => each.style.width)"
    assert tab.value(waits) == ["50%"]


def test_each_step_opens_its_detail_by_its_address_and_by_the_keyboard(
    tab: Tab, recorded: Served
) -> None:
    tab.open(f"{recorded.page}#/c/earlier/t/1/s/4")
    tab.until_text("#inspector .detail", "crm")
    detail = tab.text("#inspector .detail")
    for part in (MARKUP, "A-1", "sea", "0.31 s", "0.94 s into the turn"):
        assert part in detail, part
    assert "Answered by the candidate" in tab.text("#inspector")
    tab.click("#inspector .timeline li:nth-child(6) button")
    tab.until_text("#inspector .detail", "m-2")
    assert "0.55 s" in tab.text("#inspector .detail")
    tab.click("#inspector .timeline li:nth-child(7) button")
    tab.until_text("#inspector .detail", "no word of thanks")
    for part in ("0.25", ">= 0.5", MARKUP):
        assert part in tab.text("#inspector .detail"), part
    tab.value("document.querySelector('.steps button').focus()")
    tab.arrow("ArrowRight")
    tab.arrow("ArrowRight")
    tab.becomes(FOCUSED, "m-1 0.90 s")
    tab.press("Enter")
    tab.until(f"{HASH}.endsWith('/t/1/s/3')")
    for part in ("Attempt", "Input tokens", "800", "0.25", "Provider"):
        assert part in tab.text("#inspector .detail"), part
    # The strip is one stop: the next is behind it.
    tab.value("document.querySelectorAll('.steps button')[2].focus()")
    tab.press("Tab")
    tab.until("!document.activeElement.closest('.steps')")
    assert tab.value("document.querySelectorAll('#inspector img').length") == 0


def test_keys_open_the_inspector_and_go_from_turn_to_turn(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    for number, word in enumerate(("one", "two"), 1):
        tab.say(word)
        answered(tab, number)
    tab.alt("KeyI", "i")
    tab.until_text("#inspector h2", "Turn 2 of 2")
    tab.alt("ArrowUp", "ArrowUp")
    tab.until_text("#inspector h2", "Turn 1 of 2")
    tab.alt("ArrowUp", "ArrowUp")
    tab.alt("ArrowDown", "ArrowDown")
    tab.until_text("#inspector h2", "Turn 2 of 2")
    tab.alt("KeyI", "i")
    tab.until("!document.querySelector('#inspector')")


def test_what_a_model_was_sent_is_put_together_again(tab: Tab, recorded: Served) -> None:
    tab.open(f"{recorded.page}#/c/earlier/t/1/s/3")
    tab.until_text("#inspector details summary", "What the model was sent")
    tab.click("#inspector details summary")
    tab.until_text("#inspector .prompt", "gold")
    # With the variables of the turn, and not with those of the page.
    assert recorded.runtime.composed_with[-1] == ({"plan": "silver"}, "2.1.0")
    assert "the variables of this turn" in tab.text("#inspector details")
    sent = "document.querySelector('#inspector details > pre:last-child').innerText"
    assert tab.value(sent) == "user: Where?"
    tab.click("#inspector .timeline li:nth-child(6) button")
    tab.click("#inspector details summary")
    tab.until_text("#inspector .prompt", "gold")
    for part in ("user: Where?", f"assistant calls {MARKUP}", "A-1", "tool: {", "sea"):
        assert part in str(tab.value(sent)), part
    # Of the naming, which came later, nothing is known.
    tab.click("#inspector .timeline li:nth-child(8) button")
    tab.until_text("#inspector h3", "m-name")
    assert not tab.value("document.querySelector('#inspector details')")


def test_axe_finds_nothing_in_a_turn_with_its_steps(tab: Tab, recorded: Served) -> None:
    needs_axe()
    tab.open(f"{recorded.page}#/c/earlier/t/1/s/7")
    tab.until_text("#inspector .detail", "no word of thanks")
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        assert violations(tab) == []


def test_what_the_page_measured_stays_where_nothing_is_recorded(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say("markup")
    answered(tab)
    tab.until_text(".strip", "measured here")
    assert len(tab.value(STEPS)) == 3


def manifests(folder: Path) -> Path:
    """An agent whose model is busy, with another one in its place, and long answers to sum up."""
    busy = {"default": {"matches": [{"contains": "", "error": {"status": 503}}]}}
    long = " ".join(["word"] * 400)
    window = {"contextWindow": 1200, "truncationStrategy": "summarize"}
    objects = [
        {
            "kind": "Provider",
            "metadata": {"name": "busy"},
            "spec": {"type": "mock", "defaults": window, "mock": {"responses": {
                "defaultResponse": "never", "scenarios": busy}}},
        },
        {
            "kind": "Provider",
            "metadata": {"name": "calm"},
            "spec": {"type": "mock", "defaults": window, "mock": {"responses": {
                "defaultResponse": long}}},
        },
        {
            "kind": "AgentRuntime",
            "metadata": {"name": "patient"},
            "spec": {
                "prompt": {"system": "You are patient in {{current_year}}."},
                "providers": [
                    {"name": "default", "providerRef": {"name": "busy"}},
                    {"name": "fallback", "providerRef": {"name": "calm"}},
                ],
                "facade": {"type": "websocket", "port": free_port()},
            },
        },
    ]  # fmt: skip
    file = folder / "agent.yaml"
    file.write_text(
        yaml.safe_dump_all(
            {"apiVersion": "omnia.altairalabs.ai/v1alpha1", **each} for each in objects
        )
    )
    return file


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of an agent that retries, falls back and sums up; of `omnia up`, with SQLite."""
    folder = tmp_path_factory.mktemp("patient")
    with running_up(folder, "-f", str(manifests(folder))) as up:
        yield str(up.wait("ready", name="patient")["console"])


def test_a_retry_a_fallback_and_a_summary_appear(tab: Tab, patient: str) -> None:
    tab.open(patient)
    tab.until_text("#state", "Connected")
    for number in range(1, 5):
        tab.say(f"question {number}")
        answered(tab, number)
    last = ".message.agent:last-of-type .steps"
    tab.until_text(last, "fallback")
    steps = tab.text(last)
    assert "retried" in steps
    assert "overloaded" in steps
    # A summary is made beside the conversation, when its turn has ended.
    tab.value(SUMMARY)
    tab.send("Page.reload")
    tab.until_text("#log", "Conversation resumed")
    tab.until_text("#log", "summary")


def test_on_a_laptop_the_prompt_is_shown_as_it_is_sent(tab: Tab, patient: str) -> None:
    tab.open(f"{patient}#/about")
    tab.until_text(".prompt", "You are patient in 20")
    assert re.fullmatch(
        r"20\d\d", str(tab.value("document.querySelector('.prompt mark').innerText"))
    )
    shown = tab.text("#inspector")
    for part in ("fallback, mock", "1,200 tokens at most, then summarize", "100 % of new"):
        assert part in shown, part
