"""The output of functions: checked, mended once, and never hidden."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from omnia_core.files.function import FunctionFile
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.turns.agent_version import StructuredOutput, strip_code_fence
from tests.runtime.program import Program, client
from tests.runtime.scripted import Mounted

Start = Callable[..., Program]

OUTPUT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('{"n":1}', '{"n":1}'),
        ('```json\n{"n":1}\n```', '{"n":1}'),
        ('\n```\n{"n":1}```\n', '{"n":1}'),
        ('Here you are: ```json\n{"n":1}\n```', 'Here you are: ```json\n{"n":1}\n```'),
    ],
)
def test_json_is_taken_out_of_a_fence_that_is_all_there_is(text: str, inside: str) -> None:
    assert strip_code_fence(text) == inside


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
