"""Uploads over HTTP go into sessions that the agent has begun with the caller, or knows."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.media import folder_name
from omnia_core.names import Handler
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.media.files import KEY, KEY_BYTES, prepare
from omnia_facade.media.sessions import SessionIds
from tests.facade.conftest import Running, connected
from tests.facade.media_bed import PICTURE, Caller, serving, serving_users
from tests.facade.scripted_runtime import ScriptedRuntime
from tests.facade.scripted_runtime import serving as serving_runtime

ECHO: dict[str, Any] = {"handler_mode": Handler.ECHO}


async def announced(facade: Running, user: str = "") -> str:
    """Return the id of a session that was announced to a user, who has left."""
    headers = {"x-user-id": user} if user else {}
    async with connected(facade.ws, additional_headers=headers) as client:
        await client.say("hi")
        session_id: str = (await client.answer())[-1]["session_id"]
    return session_id


async def test_a_file_can_be_uploaded_into_a_session_before_its_first_message(
    tmp_path: Path,
) -> None:
    async with (
        serving(tmp_path / "media", **ECHO) as facade,
        connected(facade.ws) as client,
    ):
        await client.send("message")
        session_id = (await client.receive())["session_id"]
        assert await Caller(facade).uploaded(PICTURE, session=session_id)


async def test_a_session_that_nobody_has_begun_is_refused_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "media", **ECHO) as facade:
        anyone = Caller(facade)
        for session_id in ("made-up", "0d9c5b0e-1f6e-4b2f-8f0e-3d1b1f6e4b2f"):
            refused = await anyone.request(session_id)
            assert (refused.status, refused.body["error"]) == (404, "not_found")
            assert "connected message" in refused.body["detail"]
        assert {path.name for path in (tmp_path / "media").iterdir()} == {".uploads", KEY}
        invalid = await anyone.request("a b")
        assert (invalid.status, invalid.body["error"]) == (400, "input_invalid")


async def test_a_session_of_another_user_is_as_unknown_as_one_that_nobody_has_begun(
    tmp_path: Path,
) -> None:
    async with serving_users(tmp_path, tmp_path / "media", **ECHO) as facade:
        session_id = await announced(facade, "ann")
        refused = await Caller(facade, "ben").request(session_id)
        unknown = await Caller(facade, "ben").request("made-up")
        assert (refused.status, refused.body) == (unknown.status, unknown.body)
        assert (await Caller(facade, "ann").request(session_id)).status == 200


async def test_pods_that_share_a_volume_accept_the_sessions_of_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    async with serving(folder, **ECHO) as one, serving(folder, **ECHO) as two:
        session_id = await announced(one)
        assert (await Caller(two).request(session_id)).status == 200
    async with serving(tmp_path / "other", **ECHO) as other:
        assert (await Caller(other).request(session_id)).status == 404


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (pb.RESUME_STATE_RESUMABLE, 200, None),
        (pb.RESUME_STATE_NOT_FOUND, 404, "not_found"),
        (pb.RESUME_STATE_UNAVAILABLE, 503, "agent_unavailable"),
    ],
)
async def test_the_runtime_is_asked_for_sessions_that_were_begun_elsewhere(
    tmp_path: Path, state: pb.ResumeState, status: int, error: str | None
) -> None:
    async with (
        serving_runtime(ScriptedRuntime(resume=state)) as port,
        serving(tmp_path / "media", runtime_address=f"127.0.0.1:{port}") as facade,
    ):
        answer = await Caller(facade).request("stored-long-ago")
        assert (answer.status, answer.body.get("error")) == (status, error)


def test_pods_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pods:
        for number in range(20):
            keys = {*pods.map(prepare, [tmp_path / str(number)] * 4)}
            assert [len(key) for key in keys] == [KEY_BYTES]


def test_a_key_that_a_pod_has_not_finished_to_write_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(b"half")
    key = prepare(tmp_path)
    assert len(key) == KEY_BYTES
    assert prepare(tmp_path) == key


async def test_a_key_that_cannot_be_written_ends_the_program_with_its_reason(
    tmp_path: Path,
) -> None:
    (tmp_path / "media" / KEY).mkdir(parents=True)
    with pytest.raises(Exception, match="OMNIA_MEDIA_STORAGE_PATH"):
        async with asyncio.timeout(30), serving(tmp_path / "media", **ECHO):
            pass


IDS = SessionIds(b"k" * KEY_BYTES)


@given(user=st.text(max_size=20), other=st.text(max_size=20))
def test_an_id_is_a_uuid_and_proves_for_whom_it_was_made(user: str, other: str) -> None:
    session_id = IDS.new(user)
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", session_id
    )
    assert folder_name(session_id) == session_id
    assert IDS.made_for(session_id, user)
    assert IDS.made_for(session_id, other) is (user in ("", other))
    assert not SessionIds(b"l" * KEY_BYTES).made_for(session_id, user)


@given(st.one_of(st.text(max_size=40), st.uuids().map(str)))
def test_no_other_text_is_an_id(text: str) -> None:
    assert not IDS.made_for(text, "")


@given(st.integers(0, 35), st.sampled_from("0123456789abcdefABCDEF-{}"))
def test_a_changed_id_proves_nothing(place: int, letter: str) -> None:
    session_id = IDS.new("ann")
    changed = session_id[:place] + letter + session_id[place + 1 :]
    assert IDS.made_for(changed, "ann") is (changed == session_id)
