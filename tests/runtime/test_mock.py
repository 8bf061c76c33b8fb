"""The mock provider and its response file."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.tools import ToolCall
from omnia_core.errors import ConfigurationError
from omnia_core.files.mock_responses import MockResponses, parse_responses
from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.providers.mock.adapter import MockModel, choose_answer, split

PAGE = Path(__file__).parents[2] / "docs/reference/mock-provider.md"
CALLED = Message("assistant", "", tool_calls=(ToolCall("call_0_get", "get"),))


def responses(content: dict[str, Any]) -> MockResponses:
    return parse_responses(yaml.safe_dump(content), "mock.yaml")


def request(*messages: Message | str, **metadata: str) -> ChatRequest:
    said = [Message("user", each) if isinstance(each, str) else each for each in messages]
    return ChatRequest("system", said, metadata=metadata)


def play(
    content: dict[str, Any], asked: ChatRequest, name: str = "m", **config: Any
) -> list[ModelEvent]:
    model = MockModel(ProviderConfig("p", "mock", name, **config), responses(content))

    async def collect() -> list[ModelEvent]:
        return [event async for event in model.stream(asked)]

    return asyncio.run(collect())


SCRIPT = {
    "defaultResponse": "global",
    "scenarios": {
        "default": {
            "defaultResponse": "scenario",
            "turns": {1: "one", 2: {"type": "text", "response": "two"}},
            "steps": {"s1": {"text": "step"}},
        },
        "other": {"turns": {"1": "other {{one}}"}},
    },
    "selfplay": {"anna": {"turns": {1: "x"}}},
}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request("hi"), "one"),
        (request("hi", Message("assistant", "one"), "again"), "two"),
        (request("hi", CALLED, Message("tool", "1")), "two"),
        (request("hi", mock_turn_number="2"), "two"),
        (request("hi", mock_turn_number="3"), "scenario"),
        (request("hi", composition_step_id="s1"), "step"),
        (request("hi", mock_scenario="other"), "other {{one}}"),
        (request("hi", mock_scenario_id="none"), "global"),
    ],
)
def test_the_answer_is_looked_up_in_order(asked: ChatRequest, answer: str) -> None:
    assert choose_answer(responses(SCRIPT), asked, "builtin").text == answer


@pytest.mark.parametrize(
    ("name", "said"), [("m", "Mock response from p model m"), ("", "Mock response from p model")]
)
def test_without_a_file_the_mock_says_who_it_is(name: str, said: str) -> None:
    text = "".join(e.text for e in play({}, request("hi"), name) if isinstance(e, TextDelta))
    assert text == said


MATCHES = {
    "matches": [{"contains": "top", "content": "from the top"}],
    "scenarios": {
        "default": {
            "matches": [
                {
                    "when": "tool_result",
                    "path": "status",
                    "content": "It is {{tool_result.status}}.",
                },
                {"when": "tool_result", "content": "Failed: {{tool_result}}"},
                {
                    "regex": r"order (?P<id>\d+)",
                    "tool_calls": [{"name": "get", "arguments": {"id": "{{id}}", "n": 1}}],
                },
                {"path": "a.n", "json": {"n": "{{input.a.n}}", "t": "n={{input.a.n}}"}},
                {"contains": "HELLO", "content": "You said: {{message}}"},
            ]
        }
    },
}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request("well hello {{x}}"), "You said: well hello {{x}}"),
        (request('{"a": {"n": 5}}'), '{"n": 5, "t": "n=5"}'),
        (request("hi", CALLED, Message("tool", '{"status": "sent"}')), "It is sent."),
        (request("hi", CALLED, Message("tool", "no")), "Failed: no"),
        (request("the top"), "from the top"),
        (request("nothing"), "builtin"),
    ],
)
def test_matches_answer_from_what_was_said(asked: ChatRequest, answer: str) -> None:
    assert choose_answer(responses(MATCHES), asked, "builtin").text == answer


def test_a_match_asks_for_a_tool_with_ids_that_are_never_used_twice() -> None:
    first = choose_answer(responses(MATCHES), request("order 7"), "")
    again = choose_answer(responses(MATCHES), request("order 7", CALLED, "order 8"), "")
    assert first.calls == (ToolCallRequest("call_0_get", "get", '{"id":"7","n":1}'),)
    assert again.calls == (ToolCallRequest("call_1_get", "get", '{"id":"8","n":1}'),)


def test_a_template_that_names_nothing_is_a_failure_of_the_provider() -> None:
    content = {"matches": [{"content": "{{tool_result.x}}"}]}
    with pytest.raises(ProviderError, match=r"tool_result\.x"):
        choose_answer(responses(content), request("hi"), "")


@given(st.text(), st.one_of(st.none(), st.integers(1, 7)))
def test_chunks_put_together_are_the_text(text: str, size: int | None) -> None:
    chunks = list(split(text, size))
    assert "".join(chunks) == text
    assert all(chunks)


def test_words_are_the_chunks() -> None:
    assert list(split("two  words, ä", None)) == ["two  ", "words, ", "ä"]


def test_usage_is_estimated_claimed_and_priced() -> None:
    estimated = play({"defaultResponse": "x" * 400}, request("hi"))[-1]
    claimed = play({"usage": {"input_tokens": 1000, "output_tokens": 500}}, request("hi"))[-1]
    priced = play(
        {"usage": {"input_tokens": 1000, "output_tokens": 500}},
        request("hi"),
        pricing=Pricing(0.5, 2.0),
    )[-1]
    assert isinstance(estimated, Finished)
    assert isinstance(claimed, Finished)
    assert isinstance(priced, Finished)
    assert (estimated.usage.input_tokens, estimated.usage.output_tokens) == (10, 100)
    assert claimed.usage.cost_usd == pytest.approx(0.015)
    assert priced.usage.cost_usd == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ({"status": 429}, True),
        ({"kind": "overloaded"}, True),
        ({"kind": "connection"}, True),
        ({"status": 400, "message": "no"}, False),
        ({"kind": "auth"}, False),
    ],
)
def test_a_failure_is_played(error: dict[str, Any], retryable: bool) -> None:
    with pytest.raises(ProviderError) as caught:
        play({"scenarios": {"default": {"turns": {1: {"error": error}}}}}, request("hi"))
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"scenarios": {"a": {"turns": {"x": "y"}}}}, r"scenarios\.a\.turns"),
        ({"scenarios": {"a": {"turns": {1: {"type": "song"}}}}}, r"scenarios\.a\.turns\.1"),
        ({"scenarios": {"a": {"matches": [{"regex": "("}]}}}, r"scenarios\.a\.matches\[0\]\.regex"),
        ({"matches": [{"content": "{{#if}}"}]}, r"matches\[0\]"),
        ({"defaultResponse": 5}, "defaultResponse"),
    ],
)
def test_a_malformed_file_is_named_with_the_place(content: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"mock\.yaml: .*{where}"):
        responses(content)


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL))
def test_the_examples_of_the_reference_page_are_response_files(example: str) -> None:
    assert parse_responses(example, "mock-provider.md").scenarios["default"]
