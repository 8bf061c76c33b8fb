"""The list of a caller's conversations, their names and their end: who is answered what."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest

from omnia_core.files.auth import AuthFile, EdgeTrust
from omnia_core.names import Handler
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.auth_files import Mounted as MountedAuth
from tests.facade.conftest import running
from tests.facade.scripted_runtime import ScriptedRuntime
from tests.facade.session_routes_bed import ask, with_runtime
from tests.services import free_port

SESSIONS = "/api/sessions"
ONE = "/api/sessions/0199-a.b:c_d"
ALL = ("read_conversation", "list_conversations", "name_conversation", "delete_conversation")
LISTED = pb.ListedConversation(
    session_id="0199-a.b:c_d",
    session_name="Lost parcel",
    begun_at="2026-11-30T10:00:00.000Z",
    last_at="2026-11-30T10:05:00.000Z",
    ends_at="2026-12-01T10:05:00.000Z",
    turns=2,
    status="completed",
    tokens=1000,
    cost_usd=0.0025,
    first_message="Where is my parcel?",
)
PAGE = pb.ListConversationsResponse(
    conversations=[LISTED, pb.ListedConversation(session_id="b", status="active")], next="more"
)


# ruff: noqa: N802 - the methods are those of the generated servicer
@dataclass
class Keeping(ScriptedRuntime):
    """A runtime that answers the calls about own sessions as told, and keeps what was asked."""

    state: "pb.ResumeState" = pb.RESUME_STATE_RESUMABLE
    status: grpc.StatusCode | None = None
    page: pb.ListConversationsResponse = field(default_factory=lambda: PAGE)
    can: tuple[str, ...] = ALL
    asked: list[object] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    async def _note(self, context: Any, *asked: object) -> None:
        if self.status:
            await context.abort(self.status, "a secret detail")
        self.asked.append(asked)
        self.users.append(dict(context.invocation_metadata()).get("omnia-user-id", ""))

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Any
    ) -> pb.ListConversationsResponse:
        await self._note(context, request.limit, request.cursor)
        return self.page

    async def NameConversation(
        self, request: pb.NameConversationRequest, context: Any
    ) -> pb.NameConversationResponse:
        await self._note(context, request.session_id, request.name)
        return pb.NameConversationResponse(state=self.state)

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, context: Any
    ) -> pb.DeleteConversationResponse:
        await self._note(context, request.session_id)
        return pb.DeleteConversationResponse(state=self.state)

    async def Health(self, request: pb.HealthRequest, context: Any) -> pb.HealthResponse:  # noqa: ARG002 - the servicer's
        return pb.HealthResponse(healthy=True, status="ok", capabilities=self.can)


def named(name: object) -> bytes:
    return orjson.dumps({"name": name})


@pytest.mark.covers(
    "websocket.md#sessions-listed",
    "websocket.md#sessions-first-message",
    "websocket.md#sessions-page",
)
@pytest.mark.parametrize("http", [False, True])
async def test_a_caller_gets_a_list_of_own_sessions(tmp_path: Path, *, http: bool) -> None:
    runtime = Keeping()
    async with with_runtime(runtime, tmp_path if http else None) as facade:
        status, body = await ask(facade, f"{SESSIONS}?limit=2&cursor=ab-_", "GET")
        assert (await ask(facade, SESSIONS, "HEAD"))[0] == 200
    assert status == 200
    assert body == {
        "sessions": [
            {
                "id": "0199-a.b:c_d",
                "name": "Lost parcel",
                "begun_at": "2026-11-30T10:00:00.000Z",
                "last_at": "2026-11-30T10:05:00.000Z",
                "ends_at": "2026-12-01T10:05:00.000Z",
                "turns": 2,
                "status": "completed",
                "tokens": 1000,
                "cost_usd": 0.0025,
                "first_message": "Where is my parcel?",
            },
            {
                "id": "b", "name": "", "begun_at": "", "last_at": "", "ends_at": "", "turns": 0,
                "status": "active",
            },
        ],
        "next": "more",
    }  # fmt: skip
    assert runtime.asked == [(2, "ab-_"), (0, "")]


@pytest.mark.covers("websocket.md#session-named", "websocket.md#session-deleted")
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize("doors", ["none", "chat"])
async def test_a_user_names_and_deletes_a_session(
    tmp_path: Path, doors: str, *, http: bool
) -> None:
    runtime = Keeping()
    async with with_runtime(runtime, tmp_path if http else None, doors=(doors,)) as facade:
        answer = await ask(facade, ONE, "PATCH", named("  Where is my désk? 👩‍🚀 "))
        assert answer == (
            200,
            {"session_id": "0199-a.b:c_d", "session_name": "Where is my désk? 👩‍🚀"},
        )
        assert await ask(facade, ONE, "DELETE") == (204, {})
        assert await ask(facade, ONE, "DELETE", Origin=facade.http) == (204, {})
    assert runtime.asked[:2] == [
        ("0199-a.b:c_d", "Where is my désk? 👩‍🚀"),
        ("0199-a.b:c_d",),
    ]


@pytest.mark.covers(
    "websocket.md#sessions-not-found",
    "websocket.md#sessions-unsupported",
    "websocket.md#sessions-unavailable",
    "websocket.md#session-turn-running",
)
@pytest.mark.parametrize(
    ("runtime", "status", "error"),
    [
        (Keeping(state=pb.RESUME_STATE_NOT_FOUND), 404, "session_not_found"),
        (Keeping(state=pb.RESUME_STATE_UNAVAILABLE), 503, "session_store_unavailable"),
        (Keeping(state=pb.RESUME_STATE_UNSPECIFIED), 503, "session_store_unavailable"),
        (Keeping(status=grpc.StatusCode.FAILED_PRECONDITION), 409, "turn_running"),
        (Keeping(status=grpc.StatusCode.INVALID_ARGUMENT), 400, "invalid_request"),
        (Keeping(status=grpc.StatusCode.INTERNAL), 503, "session_store_unavailable"),
        # of an earlier version
        (ScriptedRuntime(), 409, "sessions_unsupported"),
    ],
)
async def test_each_refusal_of_the_runtime_has_its_status(
    runtime: ScriptedRuntime, status: int, error: str
) -> None:
    async with with_runtime(runtime) as facade:
        answers = [
            await ask(facade, ONE, "PATCH", named("Mine")),
            await ask(facade, ONE, "DELETE"),
        ]
        if not isinstance(runtime, Keeping) or runtime.status:
            answers.append(await ask(facade, SESSIONS, "GET"))
    assert [(found, body["error"]) for found, body in answers] == [(status, error)] * len(answers)
    assert "secret" not in str(answers)


async def test_a_list_that_cannot_be_read_is_unavailable() -> None:
    runtime = Keeping(page=pb.ListConversationsResponse(unavailable="the store is away"))
    async with with_runtime(runtime) as facade:
        status, body = await ask(facade, SESSIONS, "GET")
    assert (status, body["error"]) == (503, "session_store_unavailable")
    async with running(runtime_address=f"127.0.0.1:{free_port()}") as facade:
        assert (await ask(facade, SESSIONS, "GET"))[0] == 503
        assert (await ask(facade, ONE, "DELETE"))[0] == 503


@pytest.mark.covers(
    "websocket.md#session-name-invalid",
    "websocket.md#sessions-limit",
    "websocket.md#sessions-method",
)
async def test_what_is_no_name_no_number_and_no_method_reaches_no_runtime() -> None:
    runtime = Keeping()
    async with with_runtime(runtime) as facade:
        bodies = [
            named(""), named("  "), named("x" * 201), named("a\nb"), named("a\x1b[31mb"),
            named("over\u202eride"), named("li\u2028ne"), named(7), named(None),
            b"", b"{}", b"[]", b"\xff", b'{"name": "\\ud800"}', b"[" * 4000,
        ]  # fmt: skip
        for body in bodies:
            status, answer = await ask(facade, ONE, "PATCH", body)
            assert (status, answer["error"]) == (400, "invalid_request"), body
        assert (await ask(facade, ONE, "PATCH", b"x" * 9000))[0] == 413
        for limit in ("0", "101", "-1", "x", "9" * 5000, "%D9%A1"):
            assert (await ask(facade, f"{SESSIONS}?limit={limit}", "GET"))[0] == 400
        assert (await ask(facade, f"{SESSIONS}?cursor={'x' * 2000}", "GET"))[0] == 400
        for method in ("GET", "POST", "PUT"):
            assert (await ask(facade, ONE, method))[0] == 405
        for method in ("POST", "PATCH", "DELETE"):
            assert (await ask(facade, SESSIONS, method))[0] == 405
        for path in (f"{ONE}/x", f"{SESSIONS}/", f"{SESSIONS}/{'x' * 129}", f"{SESSIONS}/a%2Fb"):
            assert (await ask(facade, path, "DELETE"))[0] in (404, 405), path
    assert runtime.asked == []


@pytest.mark.covers("websocket.md#sessions-forbidden-origin", "websocket.md#sessions-unauthorized")
async def test_pages_of_others_and_strangers_reach_no_runtime(tmp_path: Path) -> None:
    runtime = Keeping()
    requests = [(SESSIONS, "GET", None), (ONE, "PATCH", named("x")), (ONE, "DELETE", None)]
    async with with_runtime(runtime) as facade:
        for path, method, body in requests:
            status, answer = await ask(facade, path, method, body, Origin="https://evil.example")
            assert (status, answer["error"]) == (403, "forbidden_origin")
    async with with_runtime(runtime, allow_unauthenticated=False) as facade:
        for path, method, body in requests:
            assert (await ask(facade, path, method, body))[0] == 401
    assert runtime.asked == []


@pytest.mark.covers("websocket.md#sessions-of-nobody", "websocket.md#agent-capabilities")
async def test_only_a_caller_with_a_name_lists_on_a_port_that_others_reach(tmp_path: Path) -> None:
    """Without a user the id of a session is what lets somebody continue it."""
    auth = MountedAuth(tmp_path)
    auth.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    runtime = Keeping()
    async with with_runtime(
        runtime,
        console=True,
        bind_address="0.0.0.0",
        auth_path=str(auth.auth),
        auth_secrets_path=str(auth.secrets),
    ) as facade:
        status, body = await ask(facade, SESSIONS, "GET")
        assert (status, body["error"]) == (403, "not_allowed")
        assert (await ask(facade, SESSIONS, "GET", None, **{"x-user-id": "ann"}))[0] == 200
        _, nobody = await ask(facade, "/api/agent", "GET")
        _, ann = await ask(facade, "/api/agent", "GET", None, **{"x-user-id": "ann"})
    assert len(runtime.users) == 1
    assert nobody["capabilities"] == ["turns", "names", "delete"]
    assert ann["capabilities"] == ["turns", "list", "names", "delete"]


@pytest.mark.covers("websocket.md#agent-capabilities")
async def test_a_page_learns_what_the_runtime_can() -> None:
    for runtime, expected in (
        (Keeping(can=("invoke", "name_conversation", "of_tomorrow")), ["names"]),
        (Keeping(can=("invoke",)), None),
        (ScriptedRuntime(), None),
    ):
        async with with_runtime(runtime, console=True) as facade:
            _, body = await ask(facade, "/api/agent", "GET")
            assert body.get("capabilities") == expected
    async with running(handler_mode=Handler.ECHO, console=True) as facade:
        _, body = await ask(facade, "/api/agent", "GET")
        assert "capabilities" not in body
        assert (await ask(facade, SESSIONS, "GET"))[0] == 404
