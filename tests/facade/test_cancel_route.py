"""`POST /sessions/{id}/cancel`: who is answered what, in pods with and without an HTTP server."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead
from omnia_core.names import Handler
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import (
    Backend,
    BackendConnection,
    Cancellation,
    Forked,
    NewId,
    Reading,
    Resume,
)
from omnia_facade.backend.session_ids import SESSION_ID_PATTERN
from omnia_facade.cancellation import TurnCancel
from tests.facade.conftest import connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime
from tests.facade.session_routes_bed import ask, authenticating, with_runtime
from tests.services import free_port

CANCEL = "/sessions/0199-a.b:c_d/cancel"


@pytest.mark.covers("websocket.md#cancel-unsupported", "websocket.md#cancel-unavailable")
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (pb.CANCEL_STATE_ACCEPTED, 202, None),
        (pb.CANCEL_STATE_NOT_FOUND, 404, "session_not_found"),
        (pb.CANCEL_STATE_NOT_RUNNING, 409, "no_turn_running"),
        (pb.CANCEL_STATE_UNAVAILABLE, 503, "session_store_unavailable"),
        (pb.CANCEL_STATE_UNSPECIFIED, 503, "session_store_unavailable"),
        (None, 409, "cancel_unsupported"),
    ],
)
async def test_each_answer_of_the_runtime_has_its_status(
    tmp_path: Path, state: pb.CancelState | None, status: int, error: str | None, *, http: bool
) -> None:
    runtime = ScriptedRuntime(cancel_state=state)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        answered = await ask(facade, CANCEL, data=b"x" * 100_000)
    assert answered[0] == status
    assert answered[1].get("error") == error
    if status == 202:
        assert answered[1] == {"session_id": "0199-a.b:c_d"}
        assert runtime.turns_cancelled == ["0199-a.b:c_d"]


@pytest.mark.covers("websocket.md#cancel-method", "websocket.md#cancel-forbidden-origin")
@pytest.mark.parametrize("http", [False, True])
async def test_other_methods_and_foreign_pages_cancel_nothing(
    tmp_path: Path, *, http: bool
) -> None:
    runtime = ScriptedRuntime(cancel_state=pb.CANCEL_STATE_ACCEPTED)
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            assert (await ask(facade, CANCEL, method))[0] == 405
        status, body = await ask(facade, CANCEL, Origin="https://evil.example")
        assert (status, body["error"]) == (403, "forbidden_origin")
        assert (await ask(facade, CANCEL, Origin=facade.http))[0] == 202
    assert len(runtime.turns_cancelled) == 1


@pytest.mark.covers("websocket.md#cancel-unauthorized")
async def test_a_credential_is_needed_with_and_without_an_http_server(tmp_path: Path) -> None:
    runtime = ScriptedRuntime(cancel_state=pb.CANCEL_STATE_ACCEPTED)
    async with authenticating(runtime, tmp_path) as facades:
        for facade in facades:
            status, body = await ask(facade, CANCEL)
            assert (status, body["error"]) == (401, "unauthorized")
    assert runtime.turns_cancelled == []


async def test_a_connection_that_is_kept_alive_cancels_too(tmp_path: Path) -> None:
    runtime = ScriptedRuntime(cancel_state=pb.CANCEL_STATE_ACCEPTED)
    async with (
        with_runtime(runtime, tmp_path) as facade,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
    ):
        for _ in range(3):
            async with session.post(facade.http + CANCEL) as response:
                assert response.status == 202
    assert len(runtime.turns_cancelled) == 3


@pytest.mark.parametrize("handler", [Handler.ECHO, Handler.DEMO])
async def test_a_facade_without_a_runtime_cancels_on_the_connection_only(handler: Handler) -> None:
    async with running(handler_mode=handler) as facade, connected(facade.ws) as talk:
        await talk.say("hello")
        session_id = (await talk.answer())[-1]["session_id"]
        status, body = await ask(facade, f"/sessions/{session_id}/cancel")
        assert (status, body["error"]) == (409, "cancel_unsupported")
        assert (await ask(facade, CANCEL))[0] == 404


async def test_a_runtime_that_is_away_is_unavailable() -> None:
    async with running(runtime_address=f"127.0.0.1:{free_port()}") as facade:
        status, body = await ask(facade, CANCEL)
    assert (status, body["error"]) == (503, "session_store_unavailable")


@pytest.mark.covers("websocket.md#session-name")
async def test_a_session_that_is_resumed_is_announced_with_its_name() -> None:
    runtime = ScriptedRuntime(resume=pb.RESUME_STATE_RESUMABLE, session_name="Lost parcel")
    async with with_runtime(runtime) as facade, connected(facade.ws) as talk:
        await talk.say("end stop", session_id="earlier")
        announced, done = await talk.until("done")
    assert announced["connected"]["session_name"] == "Lost parcel"
    assert "session_name" not in done


class Recording(Backend):
    """Remembers which sessions it was asked to cancel."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def probe(self, session_id: str, principal: Principal) -> Resume:
        raise NotImplementedError

    def begin(self, session_id: str, principal: Principal) -> BackendConnection:
        raise NotImplementedError

    async def capabilities(self) -> frozenset[str]:
        raise NotImplementedError

    async def cancel_turn(self, session_id: str, principal: Principal) -> Cancellation:  # noqa: ARG002 - the port's
        self.asked.append(session_id)
        return Cancellation.ACCEPTED

    async def read(self, session_id: str, principal: Principal, last_turns: int) -> Reading:
        raise NotImplementedError

    async def fork(
        self, session_id: str, principal: Principal, after_turn: int, new_id: NewId
    ) -> Forked:
        raise NotImplementedError


@given(st.text(max_size=200), st.sampled_from(["", "/", "//", "/cancel", "/cancel/", "?x=1"]))
def test_whatever_the_path_only_a_session_id_is_asked_for(text: str, end: str) -> None:
    backend = Recording()
    cancel = TurnCancel(backend, (), local=False)
    head = RequestHead("POST", f"/sessions/{text}{end}", "", {})
    serves = cancel.serves(head.path)
    if serves:
        asyncio.run(cancel.answer(head, Principal()))
    else:
        with pytest.raises(HttpError, match="unknown or has expired"):
            asyncio.run(cancel.answer(head, Principal()))
    assert bool(backend.asked) is serves
    assert all(SESSION_ID_PATTERN.fullmatch(each) for each in backend.asked)


@pytest.mark.parametrize(
    "path", ["/sessions//cancel", "/sessions/a/b/cancel", "/sessions/a%2Fb/cancel", "/sessions/a"]
)
async def test_other_paths_are_not_found(path: str) -> None:
    runtime = ScriptedRuntime(cancel_state=pb.CANCEL_STATE_ACCEPTED)
    async with with_runtime(runtime) as facade:
        assert (await ask(facade, path))[0] == 404
    assert runtime.turns_cancelled == []
