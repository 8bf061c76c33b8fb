"""`<think>…</think>` at the beginning of an answer of a compatible server."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.files.providers import OpenAISettings, ProviderConfig
from omnia_runtime.providers.answer_size import MAX_TEXT, AnswerSize
from omnia_runtime.providers.openai.models import has_think_tags
from omnia_runtime.providers.openai.think_tags import ThinkTags
from tests.runtime.field_calls import outcome, sse
from tests.runtime.servers import call_piece, chunk

TOLD = [
    ("<think>Who is it?</think>\n\nGood day", "Good day"),
    ("\n <think>\n</think>Good day", "Good day"),
    ("<think></think>", ""),
    ("<think>a < b </thin </think >x</think> 1 < 2 <think>no</think>", "1 < 2 <think>no</think>"),
    ("<think>never closed </think", "<think>never closed </think"),
    ("<thin", "<thin"),
    ("<thinking>x</thinking>", "<thinking>x</thinking>"),
    ("Good <think>day</think>", "Good <think>day</think>"),
    ("no opening</think>Good day", "no opening</think>Good day"),
    (" \n", " \n"),
    (" \n Good day", " \n Good day"),
    (" " * 64 + "<think>x</think>y", "y"),
    (" " * 65 + "<think>x</think>y", " " * 65 + "<think>x</think>y"),
]


def told(pieces: list[str]) -> str:
    tags, text = ThinkTags(AnswerSize()), ""
    for piece in pieces:
        text += piece if tags.passed else tags.feed(piece)
    return text if tags.passed else text + tags.end()


@pytest.mark.parametrize(("text", "answer"), TOLD)
def test_reasoning_is_not_part_of_the_answer_and_nothing_else_is_lost(
    text: str, answer: str
) -> None:
    assert told([text]) == answer
    assert told(list(text)) == answer


@given(
    text=st.lists(st.sampled_from(["<think>", "</think>", "<", "th", "ink>", " ", "\n", "a"])).map(
        "".join
    ),
    places=st.lists(st.floats(0, 1), max_size=10),
)
def test_any_split_of_a_text_gives_the_same_answer(text: str, places: list[float]) -> None:
    cuts = sorted(int(place * len(text)) for place in places)
    whole = told([text])
    assert told([text[start:end] for start, end in pairwise([0, *cuts, len(text)])]) == whole
    assert text.endswith(whole)


async def test_an_answer_is_streamed_without_its_reasoning() -> None:
    pieces = ["<thi", "nk>Who", " is it?</th", "ink>\n", "\nGood ", "day"]
    found = await outcome("chat", sse(*(chunk({"content": piece}) for piece in pieces), *END))
    assert (found.text, found.reason, found.error) == ("Good day", "stop", None)


async def test_reasoning_that_was_never_closed_is_the_answer() -> None:
    found = await outcome("chat", sse(chunk({"content": "<think>Hm"}), chunk({}, "length")))
    assert (found.text, found.reason) == ("<think>Hm", "max_output_tokens")


async def test_calls_after_reasoning_are_made() -> None:
    call = call_piece(0, id="c", name="t", arguments="{}")
    thought = chunk({"content": "<think>I look it up.</think>\n\n"})
    found = await outcome("chat", sse(thought, chunk(call), chunk({}, "tool_calls")))
    assert (found.text, found.calls) == ("", [("t", {})])


async def test_the_message_at_the_end_that_repeats_its_pieces_is_not_said_again() -> None:
    text = "<think>Hm</think>Good day"
    whole = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    assert (await outcome("chat", sse(chunk({"content": text}), whole))).text == "Good day"
    assert (await outcome("chat", sse(whole))).text == "Good day"


async def test_reasoning_without_end_is_an_error() -> None:
    events = [chunk({"content": "z" * 100_000})] * (2 * MAX_TEXT // 100_000)
    found = await outcome("chat", sse(chunk({"content": "<think>"}), *events))
    assert found.error
    assert "said more than 4 MiB of text" in found.error.message
    assert found.text == ""


END = [chunk({}, "stop")]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ProviderConfig("p", "openai", "m"), False),
        (ProviderConfig("p", "openai", "m", base_url="https://api.openai.com/v1"), False),
        (ProviderConfig("p", "openai", "m", base_url="http://vllm:8000/v1"), True),
        (ProviderConfig("p", "vllm", "m", base_url="http://localhost:8000/v1"), True),
        (ProviderConfig("p", "ollama", "m", openai=OpenAISettings(think_tags=False)), False),
        (ProviderConfig("p", "openai", "m", openai=OpenAISettings(think_tags=True)), True),
    ],
)
def test_compatible_servers_have_tags_unless_the_provider_says_otherwise(
    config: ProviderConfig, expected: bool
) -> None:
    assert has_think_tags(config) is expected
