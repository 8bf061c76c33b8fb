"""The MCP door: the official client in both eras of the protocol, and what it refuses."""

from pathlib import Path
from typing import Any, Literal

import pytest
from mcp.client import Client
from mcp_types import CallToolResult, ElicitResult, TextContent

from omnia_core.files.auth import AuthFile, ClientKeyAuth
from omnia_core.units import Duration
from omnia_facade.doors.mcp.envelope import META, MODERN
from tests.facade import auth_files
from tests.facade.conftest import Running
from tests.facade.doors.bed import DEFAULT, LONG, Answer, doors, opened, request, until
from tests.facade.functions_bed import INPUT, OUTPUT, FunctionRuntime, function
from tests.facade.signing import Issuer
from tests.runtime.scripted import Mounted

Mode = Literal["auto", "legacy"]
ERAS: tuple[Mode, ...] = ("auto", "legacy")
ACCEPT = {"Accept": "application/json, text/event-stream"}


def modern(method: str, **params: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a request of 2026-07-28, and its headers."""
    meta = {f"{META}protocolVersion": MODERN[0], f"{META}clientCapabilities": {}}
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": method,
        "params": {**params, "_meta": {**meta, **params.get("_meta", {})}},
    }
    headers = {"MCP-Protocol-Version": MODERN[0], "Mcp-Method": method, **ACCEPT}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    return body, headers


def text_of(result: CallToolResult) -> str:
    (content, *_) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def asked(facade: Running, method: str, **params: Any) -> Answer:
    body, headers = modern(method, **params)
    return await request(facade, "POST", "/mcp", body, headers)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.covers("mcp.md#eras", "mcp.md#agent-tool", "mcp.md#session")
async def test_a_client_of_each_era_goes_on_with_a_session(facade: Running, era: Mode) -> None:
    async with Client(f"{facade.http}/mcp", mode=era) as client:
        (tool,) = (await client.list_tools()).tools
        first = await client.call_tool(tool.name, {"message": "hello"})
        session_id = first.structured_content["session_id"]
        second = await client.call_tool(
            tool.name, {"message": "hello again", "session_id": session_id}
        )

    assert tool.name == "agent"
    assert tool.input_schema["required"] == ["message"]
    assert first.structured_content["answer"] == DEFAULT
    assert first.structured_content["usage"]["output_tokens"] > 0
    assert second.structured_content["session_id"] == session_id
    assert not second.is_error


@pytest.mark.covers("mcp.md#progress")
async def test_a_client_that_asks_for_progress_gets_it(facade: Running) -> None:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async with Client(f"{facade.http}/mcp") as client:
        result = await client.call_tool(
            "agent", {"message": "slowly please"}, progress_callback=on_progress
        )
    assert result.structured_content["answer"] == LONG
    assert len(seen) > 1
    assert seen == sorted(seen)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.covers("mcp.md#tool-error", "mcp.md#unknown-session")
async def test_what_the_model_can_correct_is_a_result_with_an_error(
    facade: Running, era: Mode
) -> None:
    async with Client(f"{facade.http}/mcp", mode=era) as client:
        invalid = await client.call_tool("agent", {"message": 7})
        unknown = await client.call_tool("agent", {"message": "hi", "session_id": "nobody"})
        failed = await client.call_tool("agent", {"message": "fail"})
    assert all(result.is_error for result in (invalid, unknown, failed))
    assert "message" in text_of(invalid)
    assert "call without session_id" in text_of(unknown)
    assert text_of(failed)


@pytest.mark.covers("mcp.md#client-tools")
async def test_the_model_is_told_that_there_are_no_tools_of_the_client(facade: Running) -> None:
    async with Client(f"{facade.http}/mcp") as client:
        result = await client.call_tool("agent", {"message": "pick a date"})
    assert not result.is_error
    assert result.structured_content["answer"]


async def picked(facade: Running, answer: ElicitResult) -> tuple[CallToolResult, list[Any]]:
    """Let the official client ask its user, who answers so; return what was asked too."""
    questions: list[Any] = []

    async def ask(context: Any, params: Any) -> ElicitResult:
        questions.append(params)
        return answer

    async with Client(f"{facade.http}/mcp", elicitation_callback=ask) as client:
        result = await client.call_tool("agent", {"message": "pick a date"})
    return result, questions


@pytest.mark.covers("mcp.md#elicitation")
async def test_the_user_of_a_client_that_elicits_executes_a_tool(facade: Running) -> None:
    answer = ElicitResult(action="accept", content={"result": "7 May"})
    result, (question,) = await picked(facade, answer)
    assert "pick_date" in question.message
    assert "May" in question.message
    assert "7 May" in result.structured_content["answer"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
@pytest.mark.covers("mcp.md#declined")
async def test_the_model_is_told_that_the_user_declined(facade: Running, action: str) -> None:
    result, questions = await picked(facade, ElicitResult.model_validate({"action": action}))
    assert len(questions) == 1
    assert not result.is_error
    assert "did not execute" in result.structured_content["answer"]


ELICITS: dict[str, Any] = {f"{META}clientCapabilities": {"elicitation": {}}}


async def call_again(facade: Running, **more: Any) -> Any:
    """Send the call of the tool by hand; return its result."""
    body, headers = modern("tools/call", name="agent", arguments={"message": "pick"}, **more)
    body["params"]["_meta"].update(ELICITS)
    answer = await request(facade, "POST", "/mcp", body, headers)
    return answer.events[-1]["result"] if answer.events else answer.body


@pytest.mark.covers("mcp.md#asked-again", "mcp.md#unknown-state")
async def test_a_call_without_the_answer_asks_again(facade: Running) -> None:
    asked_first = await call_again(facade)
    state = asked_first["requestState"]
    other = {"nobody-asked": {"action": "accept", "content": {"result": "x"}}}
    for responses in ({}, other):
        repeated = await call_again(facade, requestState=state, inputResponses=responses)
        assert repeated["inputRequests"] == asked_first["inputRequests"]
    (name,) = asked_first["inputRequests"]
    answer = {name: {"action": "accept", "content": {"result": '{"day": 8}'}}}
    done = await call_again(facade, requestState=state, inputResponses=answer)
    assert '{"day":8}' in done["structuredContent"]["answer"].replace(" ", "")
    # The same answer again gets the same result, and begins nothing.
    same = await call_again(facade, requestState=state, inputResponses=answer)
    assert same["structuredContent"] == done["structuredContent"]
    forged = await call_again(facade, requestState="f" * 32, inputResponses=answer)
    stateless = await call_again(facade, inputResponses=answer)
    assert forged["error"]["code"] == stateless["error"]["code"] == -32602
    wrong = await call_again(facade, requestState=state, inputResponses={name: {"action": "x"}})
    assert wrong["error"]["code"] == -32602


@pytest.mark.covers("mcp.md#discover", "mcp.md#list")
async def test_a_modern_client_reads_versions_and_the_same_list_every_time(
    facade: Running,
) -> None:
    discovered = (await asked(facade, "server/discover")).body["result"]
    assert discovered["supportedVersions"][0] == MODERN[0]
    assert discovered["resultType"] == "complete"
    one, two = [await asked(facade, "tools/list") for _ in range(2)]
    assert one.content == two.content
    assert one.body["result"]["cacheScope"] == "private"


@pytest.mark.covers("mcp.md#refused")
async def test_other_requests_are_refused_with_their_status(facade: Running) -> None:
    assert (await asked(facade, "prompts/list")).status == 404
    unknown = await asked(facade, "tools/call", name="other", arguments={})
    assert (unknown.status, unknown.body["error"]["code"]) == (400, -32602)
    assert (await request(facade, "GET", "/mcp")).status == 405
    assert (await request(facade, "DELETE", "/mcp")).status == 405
    body, headers = modern("tools/list")
    plain = await request(facade, "POST", "/mcp", body, {**headers, "Content-Type": "text/plain"})
    assert plain.status == 415
    headers["Mcp-Method"] = "other"
    mismatch = await request(facade, "POST", "/mcp", body, headers)
    assert (mismatch.status, mismatch.body["error"]["code"]) == (400, -32020)


@pytest.mark.covers("mcp.md#notification")
async def test_a_notification_is_accepted(facade: Running) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    answer = await request(facade, "POST", "/mcp", body, ACCEPT)
    assert (answer.status, answer.content) == (202, b"")


@pytest.mark.covers("mcp.md#disconnect")
async def test_a_call_ends_with_its_connection(mock_runtime: Mounted) -> None:
    async with doors(mock_runtime, max_runs=1) as facade:
        body, headers = modern("tools/call", name="agent", arguments={"message": "slowly please"})
        async with opened(facade, "/mcp", body, headers) as response:
            assert await response.content.readline() == b": open\n"

        async def answered() -> bool:
            # The one run of this pod ends when the runtime has seen that nobody reads it.
            hello = {"name": "agent", "arguments": {"message": "hello"}}
            return (await asked(facade, "tools/call", **hello)).status == 200

        await until(answered)


@pytest.mark.covers("mcp.md#heartbeat")
async def test_silence_is_filled_with_comments(mock_runtime: Mounted) -> None:
    async with doors(mock_runtime, stream_heartbeat=Duration(200)) as facade:
        answer = await asked(
            facade, "tools/call", name="agent", arguments={"message": "have patience"}
        )
    assert answer.content.count(b": keep-alive\n\n") >= 3
    assert answer.events[-1]["result"]["structuredContent"]["answer"] == "At last."


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.covers("mcp.md#function-tool", "mcp.md#function-error")
async def test_a_function_is_a_tool_with_its_schemas(tmp_path: Path, era: Mode) -> None:
    runtime = FunctionRuntime()
    async with (
        function(runtime, tmp_path, doors=("mcp",)) as facade,
        Client(f"{facade.http}/mcp", mode=era) as client,
    ):
        (tool,) = (await client.list_tools()).tools
        good = await client.call_tool("summarizer", {"text": "A long text."})
        bad = await client.call_tool("summarizer", {"text": 7})
        runtime.output_json = '{"other": 1}'
        broken = await client.call_tool("summarizer", {"text": "A long text."})

    assert (tool.input_schema, tool.output_schema) == (INPUT, OUTPUT)
    assert good.structured_content == {"summary": "short"}
    assert bad.is_error
    assert text_of(bad).startswith("input_invalid")
    assert broken.is_error
    assert text_of(broken).startswith("output_invalid")


@pytest.mark.covers("mcp.md#metadata", "mcp.md#unauthorized", "mcp.md#resource-token")
async def test_a_client_without_a_token_is_told_where_to_get_one(
    mock_runtime: Mounted, tmp_path: Path
) -> None:
    url = "https://agents.example.com/refunds"
    provider = Issuer("https://id.example.com")
    provider.add("k1")
    mounted = auth_files.Mounted(tmp_path)
    mounted.rules(AuthFile(oidc=auth_files.oidc(provider)))
    async with doors(
        mock_runtime,
        allow_unauthenticated=False,
        auth_path=str(mounted.auth),
        auth_secrets_path=str(mounted.secrets),
        public_url=url,
    ) as facade:
        refused = await asked(facade, "tools/list")
        for audience, status in ((f"{url}/mcp", 200), ("agent", 200), (f"{url}/other", 401)):
            token = provider.sign("k1", aud=audience, sub="ann")
            body, headers = modern("tools/list")
            bearer = {**headers, "Authorization": f"Bearer {token}"}
            assert (await request(facade, "POST", "/mcp", body, bearer)).status == status
        document = await request(facade, "GET", "/.well-known/oauth-protected-resource/mcp")
        mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
        without = await request(facade, "GET", "/.well-known/oauth-protected-resource")

    assert refused.status == 401
    (challenge,) = refused.headers.getall("WWW-Authenticate")
    assert challenge == f'Bearer resource_metadata="{url}/.well-known/oauth-protected-resource/mcp"'
    assert document.body == {
        "resource": f"{url}/mcp",
        "authorization_servers": ["https://id.example.com"],
        "bearer_methods_supported": ["header"],
    }
    assert without.status == 404
