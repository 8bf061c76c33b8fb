"""A session belongs to the user who began it: a real facade in front of a real runtime."""

from collections.abc import Callable
from pathlib import Path

import pytest

from omnia_core.files.auth import AuthFile, EdgeTrust
from omnia_core.sessions import Message, Session
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.auth_files import Mounted as MountedAuth
from tests.facade.conftest import connected, running
from tests.runtime.program import Program, Stream, client, said
from tests.runtime.scripted import Mounted

Start = Callable[..., Program]


def edge(user: str) -> dict[str, str]:
    """What a trusted proxy says of a user, if there is one."""
    return {"x-user-id": user} if user else {}


@pytest.mark.parametrize(
    ("begun_by", "user", "open_to"),
    [("ann", "ann", True), ("ann", "bob", False), ("ann", "", False), ("", "bob", True)],
)
def test_who_may_continue_a_session(begun_by: str, user: str, open_to: bool) -> None:
    messages = (Message("user", "a", user_id=begun_by), Message("user", "b", user_id="bob"))
    assert Session("s", messages).open_to(user) is open_to


@pytest.mark.covers("websocket.md#session-of-somebody-else")
async def test_nobody_continues_the_session_of_somebody_else(
    mounted: Mounted, start: Start, tmp_path: Path
) -> None:
    mounted.write_responses({"scenarios": {"default": {"turns": {1: "one", 2: "two", 3: "three"}}}})
    start()
    auth = MountedAuth(tmp_path)
    auth.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    async with (
        client(mounted) as stub,
        running(
            runtime_address=f"127.0.0.1:{mounted.grpc_port}",
            auth_path=str(auth.auth),
            auth_secrets_path=str(auth.secrets),
        ) as facade,
    ):
        async with connected(facade.ws, additional_headers=edge("ann")) as ann:
            await ann.say("hello")
            session = (await ann.answer())[-1]["session_id"]
        unknown = f'session "{session}" is unknown or has expired'

        for stranger in ("bob", ""):
            by_query = f"{facade.ws}?session_id={session}"
            async with connected(by_query, additional_headers=edge(stranger)) as other:
                refused = [(await other.receive())["error"]]
                await other.say("hello", session_id=session)
                refused.append((await other.receive())["error"])
            assert [each["code"] for each in refused] == ["SESSION_EXPIRED"] * 2
            assert all(each["message"].startswith(unknown) for each in refused)

        asked = pb.HasConversationRequest(session_id=session)
        assert (await stub.HasConversation(asked)).state == pb.RESUME_STATE_NOT_FOUND
        # whoever passes by the probe is refused by the turn itself
        stream = Stream(stub, (("x-omnia-user-id", "bob"),))
        (_, error) = await stream.ask("hello", session)
        assert error.error.code == "SESSION_EXPIRED"
        assert unknown in error.error.message

        async with connected(facade.ws, additional_headers=edge("ann")) as ann:
            await ann.say("again", session_id=session)
            resumed, *_, done = await ann.answer()
        async with connected(facade.ws) as nobody:
            await nobody.say("hello")
            anyones = (await nobody.answer())[-1]["session_id"]
        async with connected(facade.ws, additional_headers=edge("bob")) as bob:
            await bob.say("again", session_id=anyones)
            continued = (await bob.answer())[-1]
        assert said(await stream.ask("again", anyones)) == "three"

    # the second turn of each: nothing that a stranger sent was stored
    assert resumed["connected"]["resumed"] is True
    assert (done["content"], continued["content"]) == ("two", "two")
