"""Own conversations, end to end: a real facade in front of a real runtime."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from omnia_core.files.auth import AuthFile, EdgeTrust
from omnia_core.names import CONTRACT_VERSION
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.server.mapping import capabilities
from tests.facade.auth_files import Mounted as MountedAuth
from tests.facade.conftest import Running, connected, running
from tests.facade.session_routes_bed import ask
from tests.runtime.program import LIMIT, Program, Stream, client
from tests.runtime.scripted import Mounted
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]


def named(name: str) -> bytes:
    return orjson.dumps({"name": name})


async def said(facade: Running, user: str, session: str = "") -> str:
    """Have a turn; return the session."""
    async with connected(facade.ws, additional_headers={"x-user-id": user}) as talk:
        await talk.say("hello", **({"session_id": session} if session else {}))
        return str((await talk.answer())[-1]["session_id"])


def test_only_a_store_with_an_index_offers_a_list() -> None:
    assert "list_conversations" not in capabilities(uploads=True)
    assert "list_conversations" in capabilities(uploads=False, lists=True)
    assert CONTRACT_VERSION >= "1.6.0"


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_users_list_name_and_delete_their_own_conversations_only(
    mounted: Mounted, start: Start, tmp_path: Path, store: str
) -> None:
    (tmp_path / "state").mkdir()
    start(OMNIA_SESSION_TYPE=store, OMNIA_SESSION_PATH=str(tmp_path / "state" / "sessions.db"))
    auth = MountedAuth(tmp_path)
    auth.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    ann, bob = {"x-user-id": "ann"}, {"x-user-id": "bob"}
    async with (
        client(mounted) as stub,
        running(
            runtime_address=f"127.0.0.1:{mounted.grpc_port}",
            auth_path=str(auth.auth),
            auth_secrets_path=str(auth.secrets),
            console=True,
        ) as facade,
    ):
        _, agent = await ask(facade, "/api/agent", "GET", None, **ann)
        first, second = [await said(facade, "ann") for _ in range(2)]
        theirs = await said(facade, "bob")
        one, path = f"/api/sessions/{first}", "/api/sessions"

        for user, status in ((bob, 404), (ann, 200)):
            assert (await ask(facade, one, "PATCH", named("My desk"), **user))[0] == status
        page = await ask(facade, f"{path}?limit=1", "GET", None, **ann)
        rest = await ask(facade, f"{path}?cursor={page[1]['next']}", "GET", None, **ann)
        listed = [
            [(each["id"], each["name"], each["turns"], each["status"]) for each in body["sessions"]]  # type: ignore[attr-defined]
            for _, body in (page, rest)
        ]
        broken, _ = await ask(facade, f"{path}?cursor=x", "GET", None, **ann)
        _, of_bob = await ask(facade, f"{path}?limit=5", "GET", None, **bob)

        _, turns = await ask(facade, f"{one}/turns", "GET", None, **ann)
        for user, status in ((bob, 404), (ann, 204), (ann, 404)):
            assert (await ask(facade, one, "DELETE", None, **user))[0] == status
        left = await ask(facade, path, "GET", None, **ann)
        probe = await stub.HasConversation(
            pb.HasConversationRequest(session_id=first), metadata=(("x-omnia-user-id", "ann"),)
        )
        assert (await stub.Health(pb.HealthRequest())).contract_version == CONTRACT_VERSION
    assert agent["capabilities"] == ["turns", "list", "names", "delete", "fork"]
    assert listed == [[(second, "", 1, "completed")], [(first, "My desk", 1, "completed")]]
    assert [each["id"] for each in of_bob["sessions"]] == [theirs]  # type: ignore[attr-defined]
    assert broken == 400
    assert turns["session_name"] == "My desk"
    assert [each["id"] for each in left[1]["sessions"]] == [second]  # type: ignore[attr-defined]
    assert probe.state == pb.RESUME_STATE_NOT_FOUND


async def test_automatic_naming_leaves_the_name_that_a_person_gave(
    mounted: Mounted, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "sessions.db"

    def made() -> int:
        """Return how many names a model has made."""
        with contextlib.closing(sqlite3.connect(file)) as connection:
            wanted = "SELECT count(*) FROM runtime_events WHERE kind = 'name_made'"
            return int(connection.execute(wanted).fetchone()[0])

    start(
        OMNIA_SESSION_TYPE="sqlite",
        OMNIA_SESSION_PATH=str(file),
        OMNIA_SESSION_NAMING="true",
        OMNIA_SESSION_NAMING_EVERY_TURNS="1",
    )
    async with client(mounted) as stub, asyncio.timeout(LIMIT):
        stream = Stream(stub)
        while not (await stream.ask("hi"))[-1].done.session_name:
            pass
        request = pb.NameConversationRequest(session_id="s1", name="Mine")
        assert (await stub.NameConversation(request)).state == pb.RESUME_STATE_RESUMABLE
        # One that was begun before may still be made.
        await stream.ask("hi")
        before = made()
        names = [(await stream.ask("hi"))[-1].done.session_name for _ in range(3)]
        asked = pb.HasConversationRequest(session_id="s1")
        assert (await stub.HasConversation(asked)).session_name == "Mine"
    assert names == ["Mine"] * 3
    assert made() == before


async def test_a_session_is_not_deleted_while_it_is_answered(
    mounted: Mounted, start: Start
) -> None:
    server = ChatServer([chunk({"content": "Hel"})], hold=True)
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start()
        async with (
            client(mounted) as stub,
            running(runtime_address=f"127.0.0.1:{mounted.grpc_port}") as facade,
        ):
            stream = Stream(stub)
            await stream.send("hi")
            await stream.read()
            await stream.read()
            status, body = await ask(facade, "/api/sessions/s1", "DELETE")
            await stream.send(cancel=True)
            await stream.turn()
            ended, _ = await ask(facade, "/api/sessions/s1", "DELETE")
    assert (status, body["error"]) == (409, "turn_running")
    assert ended == 204
