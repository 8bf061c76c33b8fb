"""A2A over gRPC: what is its own, with grpcio and the messages of the official SDK."""

import asyncio
import contextlib
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from a2a.types import a2a_pb2 as pb
from a2a.types import a2a_pb2_grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from omnia_core.cards.card import grpc_target
from omnia_core.files.auth import AuthFile, ClientKeyAuth
from omnia_core.units import Duration
from omnia_facade.doors.a2a import grpc as binding
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.messages import Message, SendMessageRequest, Task, decode, document
from omnia_facade.doors.a2a.operations import Operation
from omnia_facade.timings import USUAL
from omnia_rpc.http2 import frames
from omnia_rpc.http2.header_fields import encode
from tests.facade import auth_files
from tests.facade.conftest import Running
from tests.facade.doors.a2a_bed import client, said, streamed_text, text_of
from tests.facade.doors.bed import DEFAULT, LONG, doors, request
from tests.facade.doors.pods_bed import one_store, pods, shared_store, stored_runtime
from tests.http2.broken_peer import Peer, damaged
from tests.runtime.scripted import Mounted

__all__ = ["pods", "shared_store", "stored_runtime"]
LIMIT = 60.0
VERSION = (("a2a-version", "1.0"),)
SEND = f"/{binding.SERVICE}/SendMessage"


@contextlib.asynccontextmanager
async def stub(facade: Running, *options: tuple[str, Any]) -> AsyncIterator[Any]:
    """Connect grpcio to the service, without an A2A client."""
    target = grpc_target(facade.http)
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        yield a2a_pb2_grpc.A2AServiceStub(channel)  # type: ignore[no-untyped-call] # generated


async def refusal(call: Any) -> tuple[grpc.StatusCode, list[Any]]:
    """Return the status of a call that fails, and its details."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = status_pb2.Status()
    for name, value in caught.value.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            status.ParseFromString(value)
    assert status.message == caught.value.details() or not status.message
    return caught.value.code(), list(status.details)


def reason_of(details: list[Any]) -> tuple[str, str]:
    info = error_details_pb2.ErrorInfo()
    assert details[0].Unpack(info)
    return info.reason, info.domain


@pytest.mark.covers("a2a.md#grpc", "a2a.md#grpc-card", "a2a.md#grpc-ids")
async def test_one_port_serves_all_bindings_and_the_card_names_them(facade: Running) -> None:
    card = (await request(facade, "GET", "/.well-known/agent-card.json")).body
    assert [i["protocolBinding"] for i in card["supportedInterfaces"]] == [
        *("JSONRPC", "HTTP+JSON", "JSONRPC", "GRPC")
    ]
    assert card["supportedInterfaces"][-1]["url"] == f"127.0.0.1:{facade.port}"
    async with stub(facade) as agent:
        call = agent.SendMessage(said("hello", context_id="grpc-1"), metadata=VERSION)
        answer = await call
        headers = dict(await call.initial_metadata())
    assert text_of(answer.task) == DEFAULT
    assert headers["omnia-session-id"] == "grpc-1"
    assert headers["omnia-run-id"] == answer.task.id


@pytest.mark.covers("a2a.md#grpc-details", "a2a.md#grpc-version")
async def test_errors_have_their_status_and_details(facade: Running) -> None:
    async with stub(facade) as agent:
        code, details = await refusal(agent.GetTask(pb.GetTaskRequest(id="x"), metadata=VERSION))
        assert (code, reason_of(details)) == (
            grpc.StatusCode.NOT_FOUND,
            ("TASK_NOT_FOUND", "a2a-protocol.org"),
        )
        code, details = await refusal(agent.SendMessage(pb.SendMessageRequest(), metadata=VERSION))
        violation = error_details_pb2.BadRequest()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert details[1].Unpack(violation)
        assert violation.field_violations[0].field
        # Without a version it would be 0.3, which has no messages for gRPC of 1.0.
        code, details = await refusal(agent.GetTask(pb.GetTaskRequest(id="x")))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert reason_of(details)[0] == "VERSION_NOT_SUPPORTED"


@pytest.mark.covers("a2a.md#grpc-limits")
async def test_a_message_that_is_too_large_is_refused(facade: Running) -> None:
    async with stub(facade) as agent:
        large = said("x" * (16 << 20))
        code, _ = await refusal(agent.SendMessage(large, metadata=VERSION))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        whole = await agent.SendMessage(said("x" * (1 << 20)), metadata=VERSION)
    assert text_of(whole.task) == DEFAULT


@pytest.mark.covers("a2a.md#grpc-credential")
async def test_a_call_needs_a_credential_and_finds_only_its_own_tasks(
    mock_runtime: Mounted, tmp_path: Path
) -> None:
    mounted = auth_files.Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    mounted.client_key("ann", "key-of-ann")
    mounted.client_key("bob", "key-of-bob")
    ann, bob = ((*VERSION, ("authorization", f"Bearer key-of-{name}")) for name in ("ann", "bob"))
    async with (
        doors(
            mock_runtime,
            allow_unauthenticated=False,
            auth_path=str(mounted.auth),
            auth_secrets_path=str(mounted.secrets),
        ) as facade,
        stub(facade) as agent,
    ):
        sent = await agent.SendMessage(said("hello"), metadata=ann)
        read = pb.GetTaskRequest(id=sent.task.id)
        assert (await agent.GetTask(read, metadata=ann)).id == sent.task.id
        code, _ = await refusal(agent.GetTask(read, metadata=bob))
        assert code is grpc.StatusCode.NOT_FOUND
        for wrong in (VERSION, (*VERSION, ("authorization", "Bearer nobody"))):
            code, _ = await refusal(agent.GetTask(read, metadata=wrong))
            assert code is grpc.StatusCode.UNAUTHENTICATED
        foreign = (*ann, ("origin", "https://elsewhere.example"))
        code, _ = await refusal(agent.GetTask(read, metadata=foreign))
        assert code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.covers("a2a.md#grpc-off")
async def test_without_grpc_the_port_speaks_http_1_only(mock_runtime: Mounted) -> None:
    async with doors(mock_runtime, a2a_grpc=False) as facade:
        answer = await exchange(facade, frames.PREFACE)
        card = (await request(facade, "GET", "/.well-known/agent-card.json")).body
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "GRPC" not in {i["protocolBinding"] for i in card["supportedInterfaces"]}


@one_store
@pytest.mark.covers("a2a.md#grpc-pods")
async def test_a_task_of_another_pod_is_followed_and_cancelled(
    pods: tuple[Running, Running],
) -> None:
    async with client(pods[0], "GRPC") as one, client(pods[1], "GRPC") as two:
        events = one.send_message(said("slowly please"))
        first = await anext(events)
        task = first.task.id
        follow = two.subscribe(pb.SubscribeToTaskRequest(id=task))
        found = [event async for event in follow]
        assert streamed_text(found) == LONG
        assert text_of(await two.get_task(pb.GetTaskRequest(id=task))) == LONG
        [_ async for _ in events]
    async with stub(pods[1]) as agent:
        code, details = await refusal(
            agent.CancelTask(pb.CancelTaskRequest(id=task), metadata=VERSION)
        )
    # The details come from the other pod.
    assert (code, reason_of(details)[0]) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "TASK_NOT_CANCELABLE",
    )


@pytest.mark.covers("a2a.md#grpc-idle")
async def test_a_connection_without_calls_is_closed(mock_runtime: Mounted) -> None:
    async with doors(
        mock_runtime,
        timings=replace(USUAL, keep_alive=0.2),
        stream_heartbeat=Duration(100),
    ) as facade:
        # It ends with the server's goodbye, though this client never closes.
        said_by_server = await exchange(facade, frames.PREFACE + frames.settings({}), close=False)
        async with stub(facade) as agent:
            # A call in progress is use.
            answer = await agent.SendMessage(said("slowly please"), metadata=VERSION)
    assert said_by_server
    assert text_of(answer.task) == LONG


async def exchange(
    facade: Running, data: bytes, *, close: bool = True, expects: bytes = b"\0" * 99
) -> bytes:
    """Send bytes on a connection, and return what comes until its end, or what is expected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    try:
        writer.write(data)
        if close:
            writer.write_eof()
        async with asyncio.timeout(LIMIT):
            answer = b""
            while expects not in answer and (more := await reader.read(65536)):
                answer += more
            return answer
    except ConnectionError:
        return b""
    finally:
        writer.close()


def conversation(chance: random.Random) -> bytes:
    """Return the frames of a client: calls that are right, others, and damage."""
    peer = Peer(chance, opens=True, last=1, paths=(*binding.PATHS, "/none/At/All"))
    calls = [frames.settings({})]
    for number in range(1, 2 * chance.randrange(1, 4), 2):
        fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", chance.choice([*binding.PATHS])),
        ]
        fields += [("content-type", "application/grpc"), *VERSION]
        body = said("hello").SerializeToString()
        if chance.random() < 0.5:
            body = mutated(chance, body)
        calls.append(frames.header_frames(number, encode(fields), end_stream=False))
        payload = b"\0" + len(body).to_bytes(4) + body
        calls.append(frames.frame(frames.DATA, chance.randrange(2), number, payload))
        peer.last = number
    calls += [peer.frame() for _ in range(chance.randrange(30))]
    whole = b"".join(calls)
    return frames.PREFACE + (
        bytes(damaged(chance, bytearray(whole))) if chance.random() < 0.5 else whole
    )


def mutated(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data) + 1)
    return (
        data[:place] + chance.randbytes(chance.randrange(4)) + data[place + chance.randrange(3) :]
    )


async def test_noise_after_the_preface_costs_no_other_client_anything(
    facade: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(20)  # noqa: S311 - noise, not secrets
    async with client(facade, "GRPC") as agent:
        stream = agent.send_message(said("slowly please"))
        found = [await anext(stream)]
        for _ in range(8):
            await asyncio.gather(*(exchange(facade, conversation(chance)) for _ in range(8)))
        # A client that sends a part of a frame and stays.
        writers = []
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", facade.port)
            data = conversation(chance)
            writer.write(data[: chance.randrange(len(data))])
            writers.append(writer)
        found += [event async for event in stream]
        assert streamed_text(found) == LONG
        again = [event async for event in agent.send_message(said("hello"))]
        assert streamed_text(again) == DEFAULT
        for writer in writers:
            writer.close()
    logged = capfd.readouterr()
    assert "crashed" not in logged.out + logged.err
    assert "Traceback" not in logged.out + logged.err


async def test_a_client_may_not_send_more_than_a_window_before_it_is_known(
    mock_runtime: Mounted, tmp_path: Path
) -> None:
    """A large message without a credential is refused, and never read."""
    mounted = auth_files.Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    async with doors(
        mock_runtime,
        allow_unauthenticated=False,
        auth_path=str(mounted.auth),
        auth_secrets_path=str(mounted.secrets),
    ) as facade:
        fields = [(":method", "POST"), (":scheme", "http"), (":path", SEND)]
        head = frames.header_frames(
            1, encode([*fields, ("content-type", "application/grpc")]), end_stream=False
        )
        body = b"\0" + (8 << 20).to_bytes(4) + bytes(16_000)
        data = frames.PREFACE + frames.settings({}) + head + frames.frame(frames.DATA, 0, 1, body)
        answer = await exchange(facade, data, close=False, expects=b"grpc-status")
    # No WINDOW_UPDATE of stream 1.
    assert frames.window_update(1, 1)[:9] not in answer
    assert b"grpc-status" in answer


@pytest.mark.covers("a2a.md#grpc-streams")
async def test_a_thousand_calls_on_one_connection_wait_for_each_other(facade: Running) -> None:
    async with stub(facade) as agent:
        read = pb.GetTaskRequest(id="nobody")
        codes = await asyncio.gather(
            *(refusal(agent.GetTask(read, metadata=VERSION)) for _ in range(1000))
        )
    assert {code for code, _ in codes} == {grpc.StatusCode.NOT_FOUND}


def test_no_pod_loads_it_before_the_first_client() -> None:
    code = (
        "import sys; import omnia_facade.app, omnia_facade.http.opening,"
        " omnia_facade.doors.a2a.door;"
        "print([m for m in sys.modules if m.startswith(('omnia_facade.rpc',"
        " 'omnia_core.wire.a2a', 'google.protobuf.json_format'))])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert output.strip() == b"[]"


# The pure half.

texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
metadata = st.none() | st.dictionaries(texts, json_values, max_size=3)


def part(**content: Any) -> Any:
    return st.fixed_dictionaries(
        content, optional={"mediaType": texts, "filename": texts, "metadata": metadata}
    )


messages = st.fixed_dictionaries(
    {
        "messageId": st.text(min_size=1, max_size=9),
        "role": st.sampled_from(["ROLE_USER", "ROLE_AGENT"]),
        "parts": st.lists(
            part(text=texts) | part(raw=st.just("aGk=")) | part(url=texts) | part(data=json_values),
            min_size=1,
            max_size=3,
        ),
    },
    optional={"contextId": texts, "taskId": texts, "metadata": metadata},
)


def without_null(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if item is not None}


@given(messages)
def test_a_message_over_grpc_is_the_message_over_json(message: dict[str, Any]) -> None:
    cleaned = {
        **without_null(message),
        "parts": [
            without_null(p) if "data" not in p else {"data": p["data"], **without_null(p)}
            for p in message["parts"]
        ],
    }
    sent = json_format.ParseDict({"message": cleaned}, pb.SendMessageRequest())
    call = binding.read_call(Operation.SEND, sent.SerializeToString())
    over_grpc = decode(call.params, SendMessageRequest)
    assert document(over_grpc) == document(decode({"message": message}, SendMessageRequest))


@given(messages)
def test_a_task_is_read_by_the_official_messages(message: dict[str, Any]) -> None:
    kept = decode(message, Message)
    task = document(
        decode(
            {
                "id": "t",
                "contextId": "c",
                "status": {
                    "state": "TASK_STATE_WORKING",
                    "timestamp": "2026-11-30T10:00:00.500Z",
                },
                "history": [document(kept)],
            },
            Task,
        )
    )
    read = pb.Task.FromString(binding.result_message(Operation.GET, task))
    shown = json_format.MessageToDict(read)
    assert decode(shown, Task) == decode(task, Task)


@given(st.sampled_from([*Operation]), st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(operation: Operation, data: bytes) -> None:
    refused: Reason | None = None
    try:
        assert isinstance(binding.read_call(operation, data).params, dict)
    except A2aError as error:
        refused = error.reason
    assert refused in (None, Reason.INVALID_REQUEST)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("\ud800x", "\ufffdx"), (2**1100, str(2**1100)), (2**53, float(2**53)), (None, None)],
)
def test_what_protobuf_cannot_say_is_said_otherwise(value: Any, shown: Any) -> None:
    deep: Any = value
    for _ in range(60):
        deep = [deep]
    artifact = {"artifactId": "a", "parts": [{"data": {"k": value}}, {"data": deep}]}
    task = {"id": "t", "artifacts": [artifact]}
    read = pb.Task.FromString(binding.result_message(Operation.GET, task))
    first, second = (json_format.MessageToDict(p)["data"] for p in read.artifacts[0].parts)
    assert first == {"k": shown}
    text = second
    while isinstance(text, list):
        (text,) = text
    assert re.fullmatch(r"\[+.*\]+", text)


def test_a_piece_is_the_update_with_another_text() -> None:
    writer = binding.GrpcWriter()
    artifact = {"artifactId": "answer", "parts": [{"text": ""}]}
    update = {"taskId": "t", "contextId": "c", "artifact": artifact, "append": True}
    piece = writer.pieces({"artifactUpdate": update})
    for text in ("one", "", "zwölf ☃"):
        artifact["parts"] = [{"text": text}]
        sent = pb.StreamResponse.FromString(piece(text)[5:])
        expected = json_format.ParseDict({"artifactUpdate": update}, pb.StreamResponse())
        assert sent == expected
