"""What docs/reference/websocket.md promises of messages and sessions, over real sockets."""

import re
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import Running, connected, running
from tests.facade.scripted_runtime import ScriptedRuntime, serving
from tests.raw_websocket import Opcode, message, opened

UPLOAD = {"filename": "a.png", "mime_type": "image/png", "size_bytes": 3}


@pytest.mark.covers("websocket.md#text-frames", "websocket.md#common-fields")
async def test_every_frame_is_text_and_says_what_it_is_whose_and_when(agent: Running) -> None:
    async with opened(agent.port) as socket:
        await socket.send(message("message", content="tools") + message("nothing"))
        seen: list[dict[str, Any]] = []
        while not {"done", "error"} <= {frame["type"] for frame in seen}:
            opcode, payload = await socket.receive()
            assert opcode == Opcode.TEXT
            seen.append(orjson.loads(payload))

    assert {frame["session_id"] for frame in seen} == {seen[0]["session_id"]}
    for frame in seen:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", frame["timestamp"])
        age = datetime.now(UTC) - datetime.fromisoformat(frame["timestamp"])
        assert abs(age.total_seconds()) < 60


@pytest.mark.covers("websocket.md#no-compression", "websocket.md#subprotocol")
async def test_of_what_is_offered_only_the_own_subprotocol_is_taken(echo: Running) -> None:
    offers = {
        (): None,
        ("chat",): None,
        ("chat", "omnia.v1"): "omnia.v1",
        ("omnia.bearer.k",): None,
    }
    for offered, chosen in offers.items():
        names = [Subprotocol(name) for name in offered] or None
        async with connect(echo.ws, subprotocols=names, compression="deflate") as socket:
            assert socket.subprotocol == chosen
            assert socket.response
            assert "Sec-WebSocket-Extensions" not in socket.response.headers


@pytest.mark.covers(
    "websocket.md#connected",
    "websocket.md#connected-at-once",
    "websocket.md#last-announced-session",
    "websocket.md#query",
)
async def test_a_connection_begins_a_session_to_which_its_messages_belong(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    announced = []
    for query in ("", "?agent=a&token=t"):
        async with connect(agent.ws + query) as socket:
            first = orjson.loads(await socket.recv())
            assert first["type"] == "connected"
            assert first["connected"]["capabilities"]["max_payload_size"] == 16 << 20
            assert first["connected"]["capabilities"]["protocol_version"] == 1
            assert "resumed" not in first["connected"]
            await socket.send('{"type":"message","content":"hi"}')
            frames = [orjson.loads(await socket.recv()) for _ in range(3)]
        assert {frame["session_id"] for frame in frames} == {first["session_id"]}
        announced.append(first["session_id"])

    assert [each.session_id for each in runtime.received] == announced
    assert len(set(announced)) == 2


@pytest.mark.covers("websocket.md#resume-by-message", "websocket.md#resume-by-query")
async def test_an_older_session_is_announced_once_for_each_connection(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.resume = pb.RESUME_STATE_RESUMABLE
    for _ in range(2):
        async with connected(f"{agent.ws}?session_id=old") as client:
            resumed = await client.receive()
            assert (resumed["session_id"], resumed["connected"]["resumed"]) == ("old", True)
            for session_id, announced in (("old", 0), ("older", 1), ("older", 0), (None, 0)):
                await client.say("hello", session_id=session_id)
                frames = await client.answer()
                assert [frame["type"] for frame in frames].count("connected") == announced
                assert frames[0]["type"] == ("connected" if announced else "chunk")
                assert {frame["session_id"] for frame in frames} == {session_id or "older"}


@pytest.mark.covers("websocket.md#sessions-not-looked-up")
async def test_a_runtime_that_cannot_look_sessions_up_lets_every_id_pass() -> None:
    async with (
        serving(ScriptedRuntime(resume=None)) as port,
        running(runtime_address=f"127.0.0.1:{port}") as facade,
        connected(facade.ws) as client,
    ):
        await client.say("hello", session_id="any")
        frames = await client.answer()
    assert [frame["type"] for frame in frames] == ["connected", "chunk", "chunk", "done"]


@pytest.mark.covers("websocket.md#message", "websocket.md#parts", "websocket.md#parts-win")
async def test_everything_of_a_message_reaches_the_runtime(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    media = {
        "image": {"mime_type": "image/png", "data": "AAAA"},
        "audio": {"mime_type": "audio/wav", "url": "https://files.example/a.wav"},
        "video": {"mime_type": "video/mp4", "storage_ref": "omnia://s/1"},
        "file": {"mime_type": "application/pdf", "data": "AAAA"},
    }
    parts = [{"type": "text", "text": "Look:"}]
    async with connected(agent.ws) as client:
        await client.send(
            "message",
            content="not this",
            parts=[*parts, *({"type": kind, "media": body} for kind, body in media.items())],
            metadata={"tenant": "t1"},
            consent_grants=["a"],
            session_consent_grants=["b"],
        )
        assert (await client.answer())[-1]["type"] == "done"

    (received,) = runtime.received
    assert received.metadata["tenant"] == "t1"
    assert list(received.consent_grants) == ["a", "b"]
    assert [part.type for part in received.parts] == ["text", *media]
    assert received.parts[0].text == "Look:"
    for part in received.parts[1:]:
        sent = {field.name: value for field, value in part.media.ListFields()}
        assert sent == media[part.type]


@pytest.mark.covers(
    "websocket.md#unknown-fields",
    "websocket.md#null-is-absent",
    "websocket.md#hangup",
    "websocket.md#cancel-without-turn",
)
async def test_what_means_nothing_does_nothing(echo: Running) -> None:
    async with connected(echo.ws) as client:
        await client.send("hangup", reason="bored")
        await client.send("cancel")
        await client.say("hello", session_id=None, parts=None, metadata=None, mood={"a": [1]})
        assert (await client.receive())["content"] == "Echo: hello"


@pytest.mark.covers("websocket.md#session-id-form")
@pytest.mark.parametrize(
    ("session_id", "code"),
    [
        ("Az09.:_-", "SESSION_EXPIRED"),
        ("x" * 128, "SESSION_EXPIRED"),
        ("x" * 129, "INVALID_MESSAGE"),
        ("a b", "INVALID_MESSAGE"),
        ("../a", "INVALID_MESSAGE"),
        ("ä", "INVALID_MESSAGE"),
    ],
)
async def test_a_session_id_has_one_form(echo: Running, session_id: str, code: str) -> None:
    async with connected(echo.ws) as client:
        await client.say("hello", session_id=session_id)
        assert (await client.receive())["error"]["code"] == code


@pytest.mark.covers("websocket.md#upload-request", "websocket.md#media-not-enabled")
async def test_without_media_storage_an_upload_is_refused(echo: Running) -> None:
    async with connected(echo.ws) as client:
        await client.send("upload_request", upload_request=UPLOAD)
        assert (await client.receive())["error"]["code"] == "MEDIA_NOT_ENABLED"
        await client.say("still here")
        assert (await client.receive())["content"] == "Echo: still here"
