"""`POST /api/sessions/{id}/fork`: who is answered what, in pods with and without an HTTP server."""

import asyncio
from pathlib import Path

import orjson
import pytest
from yarl import URL

from omnia_core.names import Handler, Variant
from omnia_core.session_ids import new_session_id
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.runtime_client.builtin import BuiltinRuntimeTransport
from omnia_facade.runtime_client.client import RemoteRuntime
from omnia_facade.turns.forks import id_beside
from tests.facade.conftest import Running, connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime
from tests.facade.session_routes_bed import ask, authenticating, with_runtime

FORK = "/api/sessions/0199-a.b:c_d/fork"
CREATED = pb.ForkConversationResponse(state=pb.FORK_STATE_CREATED)


def after(turn: object) -> bytes:
    return orjson.dumps({"after_turn": turn})


@pytest.mark.covers("websocket.md#fork-created")
@pytest.mark.parametrize("http", [False, True])
async def test_a_fork_has_an_id_that_no_session_has(tmp_path: Path, *, http: bool) -> None:
    runtime = ScriptedRuntime(fork=CREATED)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        answers = [await ask(facade, FORK, data=after(turn)) for turn in (2, 0)]
    assert [status for status, _ in answers] == [201, 201]
    made = [(each.session_id, each.new_session_id, each.after_turn) for each in runtime.forked]
    ids = [body["session_id"] for _, body in answers]
    assert made == [("0199-a.b:c_d", ids[0], 2), ("0199-a.b:c_d", ids[1], 0)]
    assert len({*ids}) == 2
    assert all(ids)


@pytest.mark.covers(
    "websocket.md#fork-not-found",
    "websocket.md#fork-turn-running",
    "websocket.md#fork-unsupported",
    "websocket.md#fork-unavailable",
    "websocket.md#fork-out-of-range",
)
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (pb.FORK_STATE_NOT_FOUND, 404, "session_not_found"),
        (pb.FORK_STATE_TURN_RUNNING, 409, "turn_running"),
        (pb.FORK_STATE_OUT_OF_RANGE, 400, "invalid_request"),
        (pb.FORK_STATE_UNAVAILABLE, 503, "session_store_unavailable"),
        (pb.FORK_STATE_UNSPECIFIED, 503, "session_store_unavailable"),
        (None, 409, "fork_unsupported"),
    ],
)
async def test_each_refusal_of_the_runtime_has_its_status(
    tmp_path: Path, state: "pb.ForkState | None", status: int, error: str, *, http: bool
) -> None:
    fork = None if state is None else pb.ForkConversationResponse(state=state, detail="because")
    runtime = ScriptedRuntime(fork=fork)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        answered = await ask(facade, FORK, data=after(1))
    assert (answered[0], answered[1]["error"]) == (status, error)
    if status == 400 or error == "turn_running":
        assert answered[1]["detail"] == "because"


@pytest.mark.covers(
    "websocket.md#fork-invalid", "websocket.md#fork-method", "websocket.md#fork-forbidden-origin"
)
@pytest.mark.parametrize("http", [False, True])
async def test_other_methods_bodies_and_foreign_pages_fork_nothing(
    tmp_path: Path, *, http: bool
) -> None:
    runtime = ScriptedRuntime(fork=CREATED)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        for method in ("GET", "PUT", "DELETE"):
            assert (await ask(facade, FORK, method))[0] == 405
        status, body = await ask(facade, FORK, data=after(1), Origin="https://evil.example")
        assert (status, body["error"]) == (403, "forbidden_origin")
        for data in (
            b"", b"{}", b"[]", b"nonsense", b"\xff", b"[" * 1000, after("1"), after(1.5), after(-1),
            after(2**31), after(2**62), after(None),
        ):  # fmt: skip
            status, body = await ask(facade, FORK, data=data)
            assert (status, body["error"]) == (400, "invalid_request"), data
        status, body = await ask(facade, FORK, data=after(1) + b" " * 5000)
        assert (status, body["error"]) == (413, "payload_too_large")
    assert runtime.forked == []


@pytest.mark.parametrize("http", [False, True])
async def test_a_body_may_arrive_in_pieces_or_after_a_continue(
    tmp_path: Path, *, http: bool
) -> None:
    runtime = ScriptedRuntime(fork=CREATED)
    async with with_runtime(runtime, tmp_path if http else None) as facade, asyncio.timeout(LIMIT):
        head = f"POST {FORK} HTTP/1.1\r\nHost: {URL(facade.http).authority}\r\n"
        body = after(7)
        for more in ("", "Expect: 100-continue\r\n"):
            reader, writer = await _opened(facade)
            writer.write(f"{head}{more}Content-Length: {len(body)}\r\n\r\n".encode())
            if more:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            for byte in body:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0)
            assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
            writer.close()
        # A client that goes before its body is complete leaves nothing behind.
        _, writer = await _opened(facade)
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        assert (await ask(facade, FORK, data=after(7)))[0] == 201
    assert [each.after_turn for each in runtime.forked] == [7, 7, 7]


@pytest.mark.covers("websocket.md#fork-unauthorized")
async def test_a_credential_is_needed(tmp_path: Path) -> None:
    runtime = ScriptedRuntime(fork=CREATED)
    async with authenticating(runtime, tmp_path) as facades:
        for facade in facades:
            status, body = await ask(facade, FORK, data=after(1))
            assert (status, body["error"]) == (401, "unauthorized")
    assert runtime.forked == []


@pytest.mark.parametrize("handler", [Handler.ECHO, Handler.DEMO])
async def test_a_facade_without_a_runtime_forks_nothing(handler: Handler) -> None:
    async with running(handler_mode=handler) as facade, connected(facade.ws) as talk:
        await talk.say("hello")
        session = (await talk.answer())[-1]["session_id"]
        known = await ask(facade, f"/api/sessions/{session}/fork", data=after(1))
        unknown = await ask(facade, FORK, data=after(1))
    for answer in (known, unknown):
        assert (answer[0], answer[1]["error"]) == (404, "not_found")


class Sides(RemoteRuntime):
    """A rollout of which one id in `every` is on the side of the candidate."""

    def __init__(self, every: int) -> None:
        transport = BuiltinRuntimeTransport("127.0.0.1", 1)
        super().__init__(transport, agent="a", namespace="n", show_tools=False)
        self.every = every

    def variant_of(self, session_id: str, caller: Principal) -> str:  # noqa: ARG002 - the port's
        on_candidate = self.every and int(session_id.replace("-", ""), 16) % self.every == 0
        return Variant.CANDIDATE if on_candidate else Variant.STABLE


def test_a_fork_is_placed_on_the_side_of_its_session() -> None:
    def new_id(_: Principal) -> str:
        return new_session_id()

    sides = Sides(20)
    for side in Variant:
        made = (new_session_id() for _ in range(10_000))
        begun = next(each for each in made if sides.variant_of(each, Principal()) == side)
        assert sides.variant_of(id_beside(sides, begun, Principal(), new_id), Principal()) == side
    # Where no new session gets to the side any more, an id is made all the same.
    assert id_beside(Sides(0), "0", Principal(), new_id)


async def _opened(facade: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    at = URL(facade.http)
    return await asyncio.open_connection(at.host, at.port)
