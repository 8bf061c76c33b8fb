"""Every status of a function, over HTTP, with a real gRPC runtime behind."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import orjson
import pytest
import pytest_asyncio

from omnia_core.errors import ConfigurationError
from omnia_core.names import Mode
from tests.facade.conftest import Running, running
from tests.facade.functions_bed import (
    GOOD,
    Answer,
    FunctionRuntime,
    Served,
    function_file,
    served,
)
from tests.facade.scripted_runtime import LIMIT

# One facade serves nearly all tests of this file, so they share an event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("function")) as both:
        yield both


@pytest.fixture
def runtime(shared: Served) -> FunctionRuntime:
    shared.runtime.reset()
    return shared.runtime


@pytest.fixture
def function(shared: Served, runtime: FunctionRuntime) -> Running:
    return shared.facade


async def send(
    function: Running,
    body: Any = GOOD,
    *,
    path: str = "/functions/summarizer",
    method: str = "POST",
    content_type: str | None = "application/json",
) -> Answer:
    skipped = () if content_type else ("Content-Type",)
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(LIMIT), skip_auto_headers=skipped
        ) as session,
        session.request(
            method,
            function.http + path,
            data=orjson.dumps(body) if isinstance(body, dict) else body,
            headers={"Content-Type": content_type} if content_type else {},
        ) as response,
    ):
        return Answer(response.status, response.headers, await response.read())


async def test_a_call_returns_output_invocation_duration_and_usage(
    function: Running, runtime: FunctionRuntime
) -> None:
    answer = await send(function)

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.body["output"] == {"summary": "short"}
    assert uuid.UUID(answer.body["invocation_id"]).version == 7
    assert answer.body["duration_ms"] >= 0
    assert answer.body["usage"] == {"input_tokens": 41, "output_tokens": 12, "cost_usd": 0.0008}
    assert orjson.loads(runtime.invoked[0].input_json) == GOOD
    assert runtime.invoked[0].invocation_id == answer.body["invocation_id"]


async def test_usage_is_left_out_when_the_runtime_gave_none(
    function: Running, runtime: FunctionRuntime
) -> None:
    runtime.with_usage = False

    assert "usage" not in (await send(function)).body


async def test_the_name_may_be_written_in_capitals_and_the_type_may_have_a_charset(
    function: Running,
) -> None:
    answer = await send(
        function, path="/functions/SUMMARIZER", content_type="application/json; charset=utf-8"
    )
    assert answer.status == 200


async def chunked(size: int) -> AsyncIterator[bytes]:
    yield b'{"text":"'
    for _ in range(size // 65536):
        yield b"x" * 65536
    yield b'"}'


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no name": ({"path": "/functions/"}, 400, "missing_function_name", "/functions/summarizer"),
    "another name": ({"path": "/functions/other"}, 404, "function_not_found", '"other"'),
    "a slash at the end": (
        {"path": "/functions/summarizer/"},
        404,
        "function_not_found",
        'not "summarizer/"',
    ),
    "another name and method": (
        {"path": "/functions/other", "method": "DELETE"},
        404,
        "function_not_found",
        "",
    ),
    "another path": ({"path": "/summarizer"}, 404, "not_found", "POST /functions/summarizer"),
    "GET": ({"method": "GET", "body": None}, 405, "method_not_allowed", "POST"),
    "text": ({"content_type": "text/plain"}, 415, "unsupported_media_type", "application/json"),
    "no type": ({"content_type": None}, 415, "unsupported_media_type", "application/json"),
    "too large": (
        {"body": io.BytesIO(b"x" * ((1 << 20) + 1))},
        413,
        "payload_too_large",
        "1048576",
    ),
    "300 levels": (
        {"body": b'{"text":"x","more":' + b"[" * 300 + b"]" * 300 + b"}"},
        400,
        "input_invalid",
        "the body is nested deeper than 200 levels",
    ),
    "no JSON": ({"body": b"{"}, 400, "input_invalid", "not JSON"),
    "not UTF-8": ({"body": b'{"text":"\xff"}'}, 400, "input_invalid", "not JSON"),
    "empty": ({"body": b""}, 400, "input_invalid", "not JSON"),
    "two violations": (
        {"body": {"text": 1, "maxWords": 3}},
        400,
        "input_invalid",
        '/text: 1 is not of type "string"; /maxWords: 3 is less than the minimum of 10',
    ),
    "a missing property": ({"body": {}}, 400, "input_invalid", "(root): "),
}


@pytest.mark.parametrize(("call", "status", "error", "said"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_call_that_is_wrong_is_told_why(
    function: Running,
    runtime: FunctionRuntime,
    call: dict[str, Any],
    status: int,
    error: str,
    said: str,
) -> None:
    answer = await send(function, **call)

    assert (answer.status, answer.body["error"]) == (status, error)
    assert said in answer.body["detail"]
    assert answer.body.keys() == {"error", "detail"}
    assert answer.headers.get("Allow") == ("POST" if status == 405 else None)
    assert runtime.invoked == []


async def test_a_chunked_body_is_measured_while_it_is_read(function: Running) -> None:
    small = await send(function, chunked(65536))
    large = await send(function, chunked(2 << 20))

    assert small.status == 200
    assert (large.status, large.body["error"]) == (413, "payload_too_large")


async def test_without_a_credential_everything_is_401(tmp_path: Path) -> None:
    async with running(
        mode=Mode.FUNCTION,
        allow_unauthenticated=False,
        function_path=function_file(tmp_path),
    ) as function:
        for path in ("/functions/summarizer", "/functions/other", "/"):
            answer = await send(function, path=path)
            assert (answer.status, answer.body["error"]) == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.body["detail"]


@pytest.mark.parametrize(
    "status", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN]
)
async def test_a_runtime_that_fails_is_502_without_its_internals(
    function: Running, runtime: FunctionRuntime, status: grpc.StatusCode
) -> None:
    runtime.invoke_status = status

    answer = await send(function)

    assert (answer.status, answer.body["error"]) == (502, "runtime_error")
    assert "secret" not in answer.body["detail"]
    assert "raw_output" not in answer.body


@pytest.mark.parametrize(
    ("output", "raw"),
    [('{"summary":1}', {"summary": 1}), ("null", None), ("Well, I think", "Well, I think")],
)
async def test_an_output_that_breaks_its_schema_is_502_with_what_the_model_said(
    function: Running, runtime: FunctionRuntime, output: str, raw: object
) -> None:
    runtime.output_json = output

    answer = await send(function)

    assert (answer.status, answer.body["error"]) == (502, "output_invalid")
    assert answer.body["detail"]
    assert answer.body["raw_output"] == raw


async def test_an_integer_of_any_size_is_passed_on_as_it_is(tmp_path: Path) -> None:
    number = "123456789012345678901234567890"
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    schemas = {"inputSchema": schema, "outputSchema": schema}
    async with served(tmp_path, schemas=schemas) as (facade, runtime):
        runtime.output_json = f'{{"id": {number}}}'
        answer = await send(facade, f'{{"id": {number}}}'.encode())
    assert answer.status == 200
    assert f'"output":{{"id":{number}}}'.encode() in answer.content
    assert runtime.invoked[0].input_json == f'{{"id":{number}}}'


async def test_calls_of_one_connection_follow_each_other(function: Running) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            url = f"{function.http}/functions/summarizer"
            async with session.post(url, json=GOOD) as response:
                assert response.status == 200


async def test_shutdown_lets_a_call_end(tmp_path: Path) -> None:
    async with served(tmp_path) as (function, runtime), asyncio.timeout(LIMIT):
        runtime.hold = asyncio.Event()
        call = asyncio.create_task(send(function))
        await runtime.turn_began.wait()
        function.stop.set()
        async with aiohttp.ClientSession() as session:
            draining = False
            while not draining:
                async with session.get(f"{function.health}/readyz") as response:
                    draining = response.status == 503
        runtime.hold.set()
        assert (await call).status == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputSchema": {"type": "objekt"}}, "inputSchema does not compile: /type"),
        (
            {"outputSchema": {"properties": {"a": {"minimum": "x"}}}},
            "outputSchema does not compile: /properties/a/minimum",
        ),
        ({"name": 3}, "name"),
    ],
)
async def test_a_function_that_cannot_be_served_is_refused_at_the_start(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    path = function_file(tmp_path, **changes)

    with pytest.raises(ConfigurationError, match=said):
        async with running(mode=Mode.FUNCTION, function_path=path):
            pytest.fail("it serves")
