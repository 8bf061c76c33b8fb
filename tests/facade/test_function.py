"""A function by itself: what it checks, sends, returns and records."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from omnia_core.conversation.budget import spent_message
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.telemetry.tracing.span import CURRENT, NoSpan, Value
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function, FunctionAnswer, FunctionInvocation
from omnia_facade.runtime_client.port import Invocation, RuntimeFailed

CALL = FunctionInvocation("call-1", Principal(user_id="mia"), 2.5)
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "additionalProperties": False,
}


class Runtime:
    """Answers with an output, or fails."""

    def __init__(self, output: str = '{"a": 1}', usage: Usage | None = None) -> None:
        self.outcome: Invocation | RuntimeFailed = Invocation(output, usage)
        self.invoked: list[tuple[str, str, Principal, float]] = []

    async def invoke(
        self, input_json: str, invocation_id: str, caller: Principal, *, seconds: float
    ) -> Invocation:
        self.invoked.append((input_json, invocation_id, caller, seconds))
        if isinstance(self.outcome, RuntimeFailed):
            raise self.outcome
        return self.outcome


class Always:
    """Runs every call; remembers the inputs."""

    def __init__(self) -> None:
        self.inputs: list[str] = []

    async def answer(self, input_json: str, _: FunctionInvocation, run: Any) -> FunctionAnswer:
        self.inputs.append(input_json)
        answer: FunctionAnswer = await run()
        return answer


class Records:
    """Remembers what was refused."""

    def __init__(self) -> None:
        self.added: list[tuple[str, str, bytes, str]] = []

    def add(self, invocation_id: str, user_id: str, body: bytes, reason: str, _: float) -> None:
        self.added.append((invocation_id, user_id, body, reason))


def made(runtime: Runtime, records: Records | None = None) -> Function:
    file = FunctionFile("Sum", NUMBERS, NUMBERS)
    return Function(file, runtime, Always(), records)  # type: ignore[arg-type]


async def failure(function: Function, body: bytes = b"{}") -> FunctionFailed:
    with pytest.raises(FunctionFailed) as caught:
        await function.run(body, CALL)
    return caught.value


async def test_an_answer_has_the_output_the_id_and_what_it_cost() -> None:
    runtime = Runtime(usage=Usage(3, 4, cost_usd=0.5))
    function = made(runtime)
    answer = await function.run(b' {"a" : 1 } ', CALL)
    body = orjson.loads(answer.body)
    assert body.pop("duration_ms") >= 0
    assert body == {
        "output": {"a": 1},
        "invocation_id": "call-1",
        "usage": {"input_tokens": 3, "output_tokens": 4, "cost_usd": 0.5},
    }
    assert (function.name, answer.invocation_id, answer.replayed) == ("sum", "call-1", False)
    assert runtime.invoked == [('{"a":1}', "call-1", CALL.caller, 2.5)]


class Noted(NoSpan):
    """A span whose attributes can be read."""

    def __init__(self) -> None:
        self.noted: dict[str, Value] = {}

    def set_attribute(self, name: str, value: Value) -> None:
        self.noted[name] = value


async def test_the_span_of_a_call_has_what_it_cost() -> None:
    span = Noted()
    token = CURRENT.set(span)
    try:
        await made(Runtime(usage=Usage(3, 4, cost_usd=0.5))).run(b"{}", CALL)
    finally:
        CURRENT.reset(token)
    assert span.noted == {
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
        "omnia.usage.cost_usd": 0.5,
    }


def test_each_error_has_its_status_and_headers() -> None:
    found: dict[int, set[str]] = {}
    for code in FunctionErrorCode:
        found.setdefault(FunctionFailed(code, "x").status, set()).add(str(code))
    assert found == {
        400: {
            "bad_request",
            "input_invalid",
            "missing_function_name",
            "idempotency_key_invalid",
        },
        401: {"unauthorized"},
        404: {"function_not_found"},
        405: {"method_not_allowed"},
        408: {"request_timeout"},
        409: {"idempotency_in_progress"},
        413: {"payload_too_large"},
        415: {"unsupported_media_type"},
        417: {"expectation_failed"},
        422: {"idempotency_key_reused"},
        429: {"budget_exceeded"},
        500: {"internal_error"},
        502: {"runtime_error", "output_invalid"},
        503: {"overloaded", "idempotency_unavailable"},
    }
    headers = {str(code): FunctionFailed(code, "x").headers for code in FunctionErrorCode}
    assert {code: each for code, each in headers.items() if each} == {
        "method_not_allowed": {"Allow": "POST"},
        "idempotency_in_progress": {"Retry-After": "1"},
        "overloaded": {"Retry-After": "1"},
        "idempotency_unavailable": {"Retry-After": "1"},
    }


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (b"{", "the body is not JSON", "the body is not JSON: "),
        (b"[]", "violates inputSchema at (root)", "(root): "),
        (b'{"a":"x","b":"y"}', "violates inputSchema at /a, /b", "/a: "),
    ],
)
async def test_an_invalid_input_is_recorded_by_its_places_alone(
    body: bytes, reason: str, detail: str
) -> None:
    records, runtime = Records(), Runtime()
    failed = await failure(made(runtime, records), body)
    assert (failed.code, failed.status) == (FunctionErrorCode.INPUT_INVALID, 400)
    assert records.added == [("call-1", "mia", body, reason)]
    assert runtime.invoked == []
    assert (await failure(made(runtime), body)).body == failed.body
    assert failed.body["detail"].startswith(detail)
    assert len(failed.body["detail"].split("; ")) == reason.count("/") or "/" not in reason


@pytest.mark.parametrize(("output", "raw"), [("{", "{"), ('{"a": "x"}', {"a": "x"}), ("[1]", [1])])
async def test_an_invalid_output_is_shown_to_the_caller(output: str, raw: Any) -> None:
    failed = await failure(made(Runtime(output)))
    assert (failed.code, failed.status) == (FunctionErrorCode.OUTPUT_INVALID, 502)
    assert failed.body["raw_output"] == raw
    assert failed.body["detail"].startswith("the output is not JSON: ") is (output == "{")
    assert "raw_output_truncated" not in failed.body


@pytest.mark.parametrize("output", ["{", "[1]"])
async def test_of_a_long_invalid_output_the_beginning_is_shown(output: str) -> None:
    # White space around a value is part of the answer.
    whole = output.ljust(8192)
    assert "raw_output_truncated" not in (await failure(made(Runtime(whole)))).body

    body = (await failure(made(Runtime(f"{whole} ")))).body
    assert (body["raw_output"], body["raw_output_truncated"]) == (f"{whole}…", True)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (Code.UNAVAILABLE, "the runtime cannot be reached"),
        (Code.DEADLINE_EXCEEDED, "the runtime did not answer within 2.5 s"),
        (
            Code.INTERNAL,
            "the runtime failed; its log and the facade's name invocation call-1",
        ),
    ],
)
async def test_a_failure_of_the_runtime_shows_nothing_of_its_inside(
    code: Code, detail: str
) -> None:
    runtime = Runtime()
    runtime.outcome = RuntimeFailed(code, "10.0.0.7 said secret")
    failed = await failure(made(runtime))
    assert (failed.code, failed.body["detail"]) == (FunctionErrorCode.RUNTIME_ERROR, detail)


async def test_a_spent_budget_is_told_with_the_seconds_until_the_next_one() -> None:
    runtime = Runtime()
    text = spent_message("month", 5, datetime.now(UTC) + timedelta(hours=1))
    runtime.outcome = RuntimeFailed(Code.RESOURCE_EXHAUSTED, f"RESOURCE_EXHAUSTED: {text}")
    failed = await failure(made(runtime))
    assert (failed.code, failed.status) == (FunctionErrorCode.BUDGET_EXCEEDED, 429)
    assert failed.body["detail"] == text
    assert 0 < int(failed.headers["Retry-After"]) <= 3600


async def test_other_limits_of_the_runtime_are_its_failure() -> None:
    runtime = Runtime()
    runtime.outcome = RuntimeFailed(Code.RESOURCE_EXHAUSTED, "the message is too large")
    assert (await failure(made(runtime))).code == FunctionErrorCode.RUNTIME_ERROR


@pytest.mark.parametrize("wrong", ["inputSchema", "outputSchema"])
def test_a_schema_that_does_not_compile_is_named(wrong: str) -> None:
    bad: dict[str, Any] = {"type": "objekt"}
    schemas = (bad, NUMBERS) if wrong == "inputSchema" else (NUMBERS, bad)
    with pytest.raises(ConfigurationError, match=f"^{wrong} does not compile: "):
        Function(FunctionFile("f", *schemas), Runtime(), Always())  # type: ignore[arg-type]
