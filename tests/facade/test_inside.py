"""What is inside an agent: who is told, and what of it."""

from typing import Any

import aiohttp
import orjson
import pytest

from omnia_core.names import Handler
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import running
from tests.facade.scripted_runtime import ScriptedRuntime, serving
from tests.services import free_port

DESCRIBED = pb.DescribeAgentResponse(
    pack="support",
    versions=[
        pb.PackVersion(version="2.0.0", weight=69),
        pb.PackVersion(version="2.1.0", weight=31),
    ],
    variables=[
        pb.PromptVariable(
            name="plan", type="string", default_json='"free"', enum_json=['"free"', '"gold"']
        )
    ],
    tools=[
        pb.OfferedTool(
            name="ask_customer",
            description="asks",
            input_schema_json="{}",
            execution=pb.TOOL_EXECUTION_CLIENT,
            handler="browser",
            type="client",
        ),
        pb.OfferedTool(
            name="lookup", description="looks", input_schema_json="{}", handler="crm", type="http"
        ),
    ],
    template="You know the secret recipe of {{plan}}.",
    providers=[
        pb.ModelProvider(name="default", type="openai", model="m-1", input_usd=1, output_usd=2)
    ],
    window_tokens=8000,
    window_strategy="summarize",
    validators=["max_length"],
    evals=["polite"],
)
COMPOSED = pb.ComposePromptResponse(
    version="2.0.0",
    pieces=[
        pb.PromptPiece(text="You know the secret recipe of "),
        pb.PromptPiece(text="gold", variable="plan"),
    ],
    tokens=9,
    tools=["lookup"],
)
SHORT = {"name": "plan", "type": "string", "required": False, "default": "free"}


async def ask(url: str, body: object = None, **headers: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session:
        if body is None:
            async with session.get(url, headers=headers) as answer:
                return answer.status, orjson.loads(await answer.read())
        given = {"Content-Type": "application/json", **headers}
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        async with session.post(url, data=data, headers=given) as answer:
            return answer.status, orjson.loads(await answer.read())


@pytest.mark.covers("websocket.md#agent-parts", "websocket.md#agent-inside")
@pytest.mark.parametrize("inside", [False, True])
async def test_the_inside_is_told_only_where_it_is_shown(*, inside: bool) -> None:
    runtime = ScriptedRuntime(described=DESCRIBED)
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", console=True, console_inside=inside) as facade,
    ):
        status, body = await ask(f"{facade.http}/api/agent")
    assert status == 200
    assert body["variables"] == [{**SHORT, "enum": ["free", "gold"]}]
    assert [tool["name"] for tool in body["tools"]] == ["ask_customer"]
    assert ("inside" in body) is inside
    for hidden in ("recipe", "crm", "browser", "m-1", "polite", "2.1.0"):
        assert (hidden in str(body)) is inside, hidden
    if inside:
        assert [tool["handler"] for tool in body["inside"]["tools"]] == ["browser", "crm"]
        assert body["inside"]["window"] == {"tokens": 8000, "then": "summarize"}
        assert body["inside"]["versions"][1] == {"version": "2.1.0", "weight": 31}


@pytest.mark.parametrize("away", [False, True])
async def test_a_runtime_that_tells_nothing_leaves_the_rest(*, away: bool) -> None:
    async with serving(ScriptedRuntime()) as port:
        address = f"127.0.0.1:{free_port() if away else port}"
        async with running(runtime_address=address, console=True, console_inside=True) as facade:
            status, body = await ask(f"{facade.http}/api/agent")
    assert (status, body["name"]) == (200, "agent")
    assert not {"variables", "tools", "inside"} & set(body)


@pytest.mark.covers("websocket.md#prompt-composed")
async def test_the_prompt_is_composed_with_the_values_of_a_page() -> None:
    runtime = ScriptedRuntime(composed=COMPOSED)
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", console=True, console_inside=True) as facade,
    ):
        asked = {"variables": {"plan": "gold"}, "version": "2.0.0"}
        status, body = await ask(f"{facade.http}/api/agent/prompt", asked)
        assert (await ask(f"{facade.http}/api/agent/prompt", {}))[0] == 200
    assert status == 200
    assert body == {
        "system": "You know the secret recipe of gold",
        "version": "2.0.0",
        "parts": [
            {"text": "You know the secret recipe of "},
            {"text": "gold", "variable": "plan"},
        ],
        "tokens": 9,
        "tools": ["lookup"],
        "missing": [],
        "problems": [],
    }
    assert runtime.composed_with == [({"plan": "gold"}, "2.0.0"), ({}, "")]


@pytest.mark.covers("websocket.md#prompt-invalid", "websocket.md#prompt-method")
async def test_what_a_stranger_sends_is_refused_and_read_no_further() -> None:
    runtime = ScriptedRuntime(composed=COMPOSED)
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", console=True, console_inside=True) as facade,
    ):
        url = f"{facade.http}/api/agent/prompt"
        bodies: list[object] = [b"", b"[]", b"{", b"\xff", {"variables": {"a": 1}}, {"version": []}]
        for wrong in bodies:
            assert (await ask(url, wrong))[0] == 400, wrong
        large = {"variables": {"a": "x" * 300_000}}
        assert (await ask(url, large))[0] == 413
        assert (await ask(url, {}, **{"Content-Type": "text/plain"}))[0] == 415
        assert (await ask(url))[0] == 405
        assert (await ask(url, {}, Origin="https://evil.example"))[0] == 403
        status, body = await ask(url, {"version": "unknown"})
    assert (status, body["error"]) == (400, "invalid_message")
    assert runtime.composed_with == [({}, "unknown")]


@pytest.mark.covers("websocket.md#prompt-hidden", "websocket.md#prompt-unsupported")
async def test_no_prompt_is_composed_where_it_is_hidden_or_there_is_none() -> None:
    runtime = ScriptedRuntime(composed=COMPOSED)
    async with serving(runtime) as port:
        address = f"127.0.0.1:{port}"
        async with running(runtime_address=address, console=True) as facade:
            status, body = await ask(f"{facade.http}/api/agent/prompt", {})
            assert (status, body["error"]) == (404, "not_found")
            assert "recipe" not in str(body)
        async with running(
            runtime_address=address,
            console=True,
            console_inside=True,
            allow_unauthenticated=False,
        ) as facade:
            status, body = await ask(f"{facade.http}/api/agent/prompt", {})
            assert (status, body["error"]) == (401, "unauthorized")
    assert runtime.composed_with == []
    async with running(handler_mode=Handler.ECHO, console=True, console_inside=True) as facade:
        status, body = await ask(f"{facade.http}/api/agent/prompt", {})
        assert (status, body["error"]) == (501, "not_supported")
