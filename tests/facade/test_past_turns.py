"""`GET /api/sessions/{id}/turns`: who is told what, in pods with and without an HTTP server."""

from pathlib import Path
from typing import Any

import pytest

from omnia_core.names import Handler
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import connected, running
from tests.facade.scripted_runtime import ScriptedRuntime, serving
from tests.facade.session_routes_bed import ask, authenticating, with_runtime
from tests.services import free_port

TURNS = "/api/sessions/0199-a.b:c_d/turns"
SAID = pb.ReadConversationResponse(
    state=pb.RESUME_STATE_RESUMABLE,
    session_name="Lost parcel",
    earlier_turns=7,
    messages=[
        pb.ConversationMessage(
            role="user",
            content="Where is it?",
            created_at="2026-11-30T10:00:00Z",
            parts=[
                pb.ContentPart(
                    type="image",
                    media=pb.MediaContent(mime_type="image/png", url="https://a.example/b.png"),
                )
            ],
        ),
        pb.ConversationMessage(
            role="assistant",
            tool_calls=[pb.ToolCall(id="c1", name="look", arguments_json='{"id": "A-1"}')],
        ),
        pb.ConversationMessage(
            role="tool",
            tool_result=pb.ToolResult(id="c1", result_json="not JSON", is_error=True),
        ),
        pb.ConversationMessage(role="assistant", content="On its way", finish_reason="stop"),
        pb.ConversationMessage(role="user", content="Thanks"),
    ],
)


@pytest.mark.covers("websocket.md#turns-read")
@pytest.mark.parametrize("http", [False, True])
async def test_the_last_turns_are_told(tmp_path: Path, *, http: bool) -> None:
    runtime = ScriptedRuntime(conversation=SAID)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        status, body = await ask(facade, f"{TURNS}?last=2", "GET")
        assert (await ask(facade, TURNS, "HEAD"))[0] == 200
    assert status == 200
    assert body == {
        "session_id": "0199-a.b:c_d",
        "session_name": "Lost parcel",
        "earlier": 7,
        "turns": [
            {
                "messages": [
                    {
                        "role": "user",
                        "content": "Where is it?",
                        "media": [
                            {
                                "type": "image",
                                "mime_type": "image/png",
                                "url": "https://a.example/b.png",
                            }
                        ],
                        "created_at": "2026-11-30T10:00:00Z",
                    },
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [{"id": "c1", "name": "look", "arguments": {"id": "A-1"}}],
                    },
                    {"role": "tool", "tool_call_id": "c1", "error": "not JSON"},
                    {"role": "assistant", "content": "On its way", "finish_reason": "stop"},
                ]
            },
            {"messages": [{"role": "user", "content": "Thanks"}]},
        ],
    }
    assert runtime.read == [("0199-a.b:c_d", 2), ("0199-a.b:c_d", 0)]


RECORDED = pb.ReadConversationResponse(
    state=pb.RESUME_STATE_RESUMABLE,
    earlier_turns=7,
    messages=[
        pb.ConversationMessage(
            role="user",
            content="Where is it?",
            pack_version="2.1.0",
            variant="canary",
            variables=pb.KeptVariables(values={"plan": "gold"}),
        ),
        pb.ConversationMessage(role="assistant", content="On its way", finish_reason="stop"),
    ],
    trails=[
        pb.TurnTrail(
            turn=8,
            provider_calls=[
                pb.ProviderCall(
                    began_at="2026-11-30T10:00:00.100Z",
                    provider="default",
                    model="m-1",
                    status="success",
                    attempt=2,
                    input_tokens=10,
                    output_tokens=5,
                    cost_usd=0.25,
                    duration_ms=900.5,
                    first_word_ms=610.5,
                ),
                pb.ProviderCall(status="of a runtime to come"),
            ],
            tool_calls=[
                pb.ExecutedCall(
                    began_at="2026-11-30T10:00:01Z",
                    call_id="c1",
                    name="look",
                    handler="crm",
                    status="success",
                    duration_ms=3.5,
                )
            ],
            events=[
                pb.RuntimeEvent(at="2026-11-30T10:00:00Z", kind="turn_began"),
                pb.RuntimeEvent(
                    at="2026-11-30T10:00:00.050Z",
                    kind="provider_retried",
                    detail="default: overloaded",
                ),
                pb.RuntimeEvent(at="2026-11-30T10:00:02Z", kind="turn_ended", detail="stop"),
            ],
        ),
    ],
    eval_results=[
        pb.EvalResult(
            turn=8,
            at="2026-11-30T10:00:03Z",
            evaluation="polite",
            type="llm_judge",
            source="inline",
            outcome="failed",
            score=0.0,
            passed=False,
            threshold=">= 0.5",
            explanation="the judge was told to be strict",
            duration_ms=1.5,
        )
    ],
)


@pytest.mark.covers("websocket.md#turns-recorded")
@pytest.mark.parametrize("inside", [False, True])
async def test_what_is_recorded_of_a_turn_is_told_with_it(*, inside: bool) -> None:
    runtime = ScriptedRuntime(conversation=RECORDED)
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", console_inside=inside) as facade,
    ):
        _, body = await ask(facade, TURNS, "GET")
    turns: Any = body["turns"]
    (turn,) = turns
    assert (turn["pack_version"], turn["variant"]) == ("2.1.0", "canary")
    assert turn["variables"] == {"plan": "gold"}
    hidden = {"handler": "crm"} if inside else {}
    assert turn["trail"] == {
        "began_at": "2026-11-30T10:00:00Z",
        "ended_at": "2026-11-30T10:00:02Z",
        "provider_calls": [
            {
                "began_at": "2026-11-30T10:00:00.100Z",
                "provider": "default",
                "model": "m-1",
                "status": "success",
                "attempt": 2,
                "input_tokens": 10,
                "output_tokens": 5,
                "cached_tokens": 0,
                "cost_usd": 0.25,
                "duration_ms": 900.5,
                "first_word_ms": 610.5,
            }
        ],
        "tool_calls": [
            {
                "began_at": "2026-11-30T10:00:01Z",
                "call_id": "c1",
                "name": "look",
                **hidden,
                "status": "success",
                "duration_ms": 3.5,
            }
        ],
        "events": [
            {
                "at": "2026-11-30T10:00:00.050Z",
                "kind": "provider_retried",
                "detail": "default: overloaded",
            }
        ],
    }
    (result,) = turn["eval_results"]
    assert (result["evaluation"], result["score"], result["passed"]) == ("polite", 0.0, False)
    assert ("explanation" in result) is inside
    assert ("crm" in str(body)) is inside


@pytest.mark.covers("websocket.md#turns-unsupported", "websocket.md#turns-unavailable")
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (pb.RESUME_STATE_NOT_FOUND, 404, "session_not_found"),
        (pb.RESUME_STATE_UNAVAILABLE, 503, "session_store_unavailable"),
        (pb.RESUME_STATE_UNSPECIFIED, 503, "session_store_unavailable"),
        (None, 409, "turns_unsupported"),
    ],
)
async def test_each_refusal_of_the_runtime_has_its_status(
    tmp_path: Path, state: "pb.ResumeState | None", status: int, error: str, *, http: bool
) -> None:
    said = None if state is None else pb.ReadConversationResponse(state=state)
    runtime = ScriptedRuntime(conversation=said)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        answered = await ask(facade, TURNS, "GET")
    assert (answered[0], answered[1]["error"]) == (status, error)


@pytest.mark.covers(
    "websocket.md#turns-method", "websocket.md#turns-forbidden-origin", "websocket.md#turns-last"
)
@pytest.mark.parametrize("http", [False, True])
async def test_other_methods_numbers_and_foreign_pages_read_nothing(
    tmp_path: Path, *, http: bool
) -> None:
    runtime = ScriptedRuntime(conversation=SAID)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        for method in ("POST", "PUT", "DELETE"):
            assert (await ask(facade, TURNS, method))[0] == 405
        status, body = await ask(facade, TURNS, "GET", Origin="https://evil.example")
        assert (status, body["error"]) == (403, "forbidden_origin")
        for last in ("0", "101", "-1", "x", "", "9" * 5000, "%D9%A1"):
            status, body = await ask(facade, f"{TURNS}?last={last}", "GET")
            assert (status, body.get("error")) in {(400, "invalid_request"), (200, None)}, last
            assert (status == 200) is (last == ""), last
    assert runtime.read == [("0199-a.b:c_d", 0)]


@pytest.mark.covers("websocket.md#turns-unauthorized", "websocket.md#turns-not-found")
async def test_a_credential_is_needed_and_the_runtime_knows_whose_it_is(tmp_path: Path) -> None:
    runtime = ScriptedRuntime(conversation=SAID)
    async with authenticating(runtime, tmp_path) as facades:
        for facade in facades:
            status, body = await ask(facade, TURNS, "GET")
            assert (status, body["error"]) == (401, "unauthorized")
    assert runtime.read == []


@pytest.mark.parametrize("handler", [Handler.ECHO, Handler.DEMO])
async def test_a_facade_without_a_runtime_keeps_nothing(handler: Handler) -> None:
    async with running(handler_mode=handler) as facade, connected(facade.ws) as talk:
        await talk.say("hello")
        session_id = (await talk.answer())[-1]["session_id"]
        status, body = await ask(facade, f"/api/sessions/{session_id}/turns", "GET")
        assert (status, body["error"]) == (409, "turns_unsupported")
        assert (await ask(facade, TURNS, "GET"))[0] == 404


async def test_a_runtime_that_is_away_is_unavailable() -> None:
    async with running(runtime_address=f"127.0.0.1:{free_port()}") as facade:
        status, body = await ask(facade, TURNS, "GET")
    assert (status, body["error"]) == (503, "session_store_unavailable")
