"""The output of functions: checked, mended once, and never hidden."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.files.function import FunctionFile
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.turns.agent_version import StructuredOutput
from tests.runtime.program import Program, client
from tests.runtime.scripted import Mounted

Start = Callable[..., Program]

OUTPUT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"n":1}',
        '```json\n{"n":1}\n```',
        '\n```\n{"n":1}```\n',
        '```json {"n":1} ```',
        '```json\n{"n":1}',
        'Here you are: ```json\n{"n":1}\n```',
        'Here you are:\n{"n":1}\nAnything else?',
        '<think>is it {"n":7}?</think>{"n":1}',
        '<think>\nhm\n</think>\n\n```json\n{"n":1}\n```',
        '<thinking>a</thinking>Well: {"n":1}',
        'the template opened it</think>\n{"n":1}',
        '\ufeff{"n":1}',
        '{"n":1}\x00',
        '{"n":1}<|im_end|>',
        '"{\\"n\\":1}"',
        'See [1] and {braces}: {"n":1}',
        '{"n":1}\n\nOnce more: {"n": 1}',
        'Not {"n":"one"} but {"n":1}',
        '<think>a</think><think>b {"n":7}</think>{"n":1}',
        '<think effort="low">b {"n":7}</think>{"n":1}',
        '{"n":1}<think>was it {"n":7}?</think>',
        '[THINK]b {"n":7}[/THINK]{"n":1}',
        '<|channel|>analysis<|message|>{"n":7}<|end|><|channel|>final<|message|>{"n":1}',
        '{"n":1,}',
        '{\n  // the number\n  "n": 1 /* one */, # and no more\n}',
        'Here you are:\n```json\n{"n": 1,}\n```\nAnything else?',
    ],
)
def test_words_around_the_value_do_not_matter(text: str) -> None:
    output = StructuredOutput(FunctionFile("f", {}, OUTPUT))
    assert output.value(text) == '{"n":1}'
    assert output.fault('{"n":1}') == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "{'n': 1}",
        '{"n":1} or {"n":2}',
        '{"m":{"n":1}, oops',
        '[{"n":1},',
        'It is {"n":1, "m":NaN}',
        '{"n":"1"}',
        '[{"n":1}]',
        '```json\n{"n":1,}\n```\n```json\n{"n":2,}\n```',
        '{"n":1, /* no end',
        '"{\\"n\\":\\"1\\"}"',
        '<think>never said {"n":1}',
        "[" * 100_000,
        '{"n":' * 5_000,
        "{" * 100_000,
        # As models write that cannot stop.
        "```" + " " * 100_000 + "x",
        "<think " * 50_000,
        "/*" * 100_000,
        '"' + '\\"' * 100_000,
        "```\n" * 50_000,
    ],
)
def test_a_value_that_is_not_certain_is_not_taken(text: str) -> None:
    assert StructuredOutput(FunctionFile("f", {}, OUTPUT)).value(text) == text


def test_a_value_that_is_no_object_may_have_thoughts_and_a_fence_around_it() -> None:
    number = StructuredOutput(FunctionFile("f", {}, {"type": "integer"}))
    text = StructuredOutput(FunctionFile("f", {}, {"type": "string"}))
    assert text.value('"{}"') == '"{}"'
    assert number.value("<think>6 * 7</think>\n```\n42\n```") == "42"


MARKS = ["<think>", "</think>", "```", "```json\n", "\n", " ", "//", "/*", "*/", "#", "\\", "text"]
PIECES = st.sampled_from([*MARKS, *'{}[],:"12é', '"n"', '{"n": 1}', '{"n": 2,}', "\ud800"])


@given(st.lists(PIECES, max_size=14))
def test_whatever_a_model_writes_a_value_fits_or_the_answer_stays(pieces: list[str]) -> None:
    output, text = StructuredOutput(FunctionFile("f", {}, OUTPUT)), "".join(pieces)
    value = output.value(text)
    assert value == text or not output.fault(value).startswith("it is not JSON")


def test_line_breaks_in_the_texts_of_a_value_are_kept() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    output = StructuredOutput(FunctionFile("f", {}, schema))
    for text in ('{"a": "x\n// y, }"}', 'So:\n```json\n{"a": "x\n// y, }",}\n```'):
        assert orjson.loads(output.value(text)) == {"a": "x\n// y, }"}


@pytest.mark.parametrize(
    ("text", "fault"), [('{"n":1}', ""), ("no", "it is not JSON"), ('{"n":"1"}', "/n: ")]
)
def test_a_fault_says_where(text: str, fault: str) -> None:
    found = StructuredOutput(FunctionFile("f", {}, OUTPUT)).fault(text)
    assert found.startswith(fault) if fault else found == ""


async def invoke(mounted: Mounted, turns: dict[int, Any]) -> pb.InvocationResponse:
    mounted.write_responses({"scenarios": {"default": {"turns": turns}}})
    mounted.write_function({"type": "object"}, OUTPUT)
    async with client(mounted) as stub:
        request = pb.InvocationRequest(input_json="{}", invocation_id="1")
        answer = await stub.Invoke(request)
        assert isinstance(answer, pb.InvocationResponse)
        return answer


async def test_an_answer_that_does_not_fit_is_asked_for_once_more(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_function({"type": "object"}, OUTPUT)
    start(OMNIA_MODE="function")
    answer = await invoke(mounted, {1: '{"n":"one"}', 2: '```json\n{"n": 1}\n```', 3: "never"})
    assert orjson.loads(answer.output_json) == {"n": 1}
    # both calls are paid for
    assert answer.usage.output_tokens == 40


async def test_an_answer_that_never_fits_is_handed_over_as_it_is(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_function({"type": "object"}, OUTPUT)
    start(OMNIA_MODE="function")
    answer = await invoke(mounted, {1: "no", 2: "still no", 3: '{"n":1}'})
    assert answer.output_json == "still no"


async def test_an_answer_that_fits_is_asked_for_once(mounted: Mounted, start: Start) -> None:
    mounted.write_function({"type": "object"}, OUTPUT)
    start(OMNIA_MODE="function")
    answer = await invoke(mounted, {1: '{"n":1}', 2: "never"})
    assert (answer.output_json, answer.usage.output_tokens) == ('{"n":1}', 20)
