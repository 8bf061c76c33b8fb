"""Uploads that a message mentions: whose they are, and what becomes of them in later turns."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.media import META, MediaRecord, StorageRef, folder_name
from omnia_core.names import METADATA_USER_ID
from omnia_core.sessions import Message
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.agent.request_builder import ModelContext, OmittedMedia, RequestBuilder
from omnia_runtime.ports.model import ChatRequest
from omnia_runtime.turns.media import (
    MediaInvalid,
    MediaLoader,
    MediaOwner,
    UploadFolder,
)
from tests.runtime.program import Program, Stream, client, said
from tests.runtime.scripted import Mounted, pack
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]

SESSION = "session:1"
PICTURE = b"not really a picture"
LIMIT = 100
ANN = MediaOwner(SESSION, "ann")


class Uploaded:
    """The folder that the facade writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0

    def add(self, content: bytes = PICTURE, **changes: Any) -> Part:
        self._count += 1
        now = datetime.now(UTC)
        record = MediaRecord(
            SESSION,
            f"{self._count:032x}",
            "cat.png",
            "image/png",
            len(content),
            "ann",
            now,
            now + timedelta(hours=1),
        )
        record = msgspec.structs.replace(record, **changes)
        folder = self.root / folder_name(record.session_id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / record.media_id).write_bytes(content)
        (folder / (record.media_id + META)).write_bytes(msgspec.json.encode(record))
        ref = StorageRef(record.session_id, record.media_id)
        return Part("image", media=Media(storage_ref=str(ref)))

    def file(self, part: Part) -> Path:
        assert part.media
        ref = StorageRef.parse(part.media.storage_ref)
        return self.root / folder_name(ref.session_id) / ref.media_id


@pytest.fixture
def uploaded(tmp_path: Path) -> Uploaded:
    return Uploaded(tmp_path / "uploads")


@pytest.fixture
def media(tmp_path: Path, uploaded: Uploaded) -> MediaLoader:
    return MediaLoader(tmp_path, UploadFolder(uploaded.root, LIMIT))


def inline(content: bytes = PICTURE, kind: str = "image/png") -> Part:
    return Part("image", media=Media(kind, base64.b64encode(content).decode()))


async def test_an_upload_becomes_its_bytes_and_its_record_says_what_they_are(
    media: MediaLoader, uploaded: Uploaded
) -> None:
    assert await media.load(uploaded.add(), ANN) == inline()
    webm = uploaded.add(mime_type="Audio/WebM; codecs=opus")
    assert await media.load(webm, ANN) == inline(kind="audio/webm")
    nobodys = uploaded.add(user_id="")
    assert await media.load(nobodys, ANN) == inline()


async def test_what_cannot_be_had_says_why(media: MediaLoader, uploaded: Uploaded) -> None:
    swept = uploaded.add()
    uploaded.file(swept).unlink()
    linked = uploaded.add()
    uploaded.file(linked).rename(uploaded.root / "elsewhere")
    uploaded.file(linked).symlink_to(uploaded.root / "elsewhere")
    for part, problem in (
        (Part("image", media=Media(storage_ref="../x")), 'expected "omnia://'),
        (
            Part("image", media=Media(storage_ref=str(StorageRef(SESSION, "e" * 32)))),
            "there is no upload .* upload the file again",
        ),
        (uploaded.add(session_id="other"), "is of another session"),
        (uploaded.add(user_id="ben"), "there is no upload"),
        (uploaded.add(expires_at=datetime.now(UTC)), "has expired; upload the file again"),
        (swept, "has expired"),
        (linked, "has expired"),
        (uploaded.add(b"x" * (LIMIT + 1)), "is larger than 100 bytes"),
    ):
        with pytest.raises(MediaInvalid, match=problem):
            await media.load(part, ANN)


async def test_an_upload_that_is_gone_is_named_in_later_turns_and_ends_none(
    media: MediaLoader, uploaded: Uploaded
) -> None:
    gone, there = uploaded.add(), uploaded.add(b"another")
    history = [Message("user", "look", (gone, there)), Message("assistant", "I see")]
    uploaded.file(gone).unlink()
    now = [*history, Message("user", "again", (there,))]

    loaded = await media.load_all(now, ANN)
    request = RequestBuilder(ModelContext(None), loaded).build(ChatRequest("", ()), now)

    first, _, last = request.messages
    assert first.content == "look\n[not shown: image; its file is not there any more]"
    assert first.parts == last.parts == (inline(b"another"),)
    with pytest.raises(MediaInvalid, match="has expired"):
        await media.load_all([*history, Message("user", "again", (gone,))], ANN)


async def test_a_copied_message_has_the_uploads_of_its_session(
    media: MediaLoader, uploaded: Uploaded
) -> None:
    part = uploaded.add()
    copied = Message("user", "", parts=(part,), forked_from=SESSION)
    said_here = Message("user", "", parts=(uploaded.add(),))
    messages = [copied, said_here, Message("user", "and?")]
    found = await media.load_all(messages, MediaOwner("fork", "ann"))
    assert found[part] == Part(
        "image", media=Media("image/png", base64.b64encode(PICTURE).decode())
    )
    assert isinstance(found[said_here.parts[0]], OmittedMedia)
    strangers = await media.load_all(messages, MediaOwner("fork", "bob"))
    assert isinstance(strangers[part], OmittedMedia)


async def test_uploads_of_earlier_messages_are_sent_again_as_far_as_there_is_room(
    tmp_path: Path, uploaded: Uploaded
) -> None:
    media = MediaLoader(tmp_path, UploadFolder(uploaded.root, LIMIT), earlier_bytes=150)
    oldest, older, newer, new = (uploaded.add(bytes([each]) * 90) for each in range(4))
    parts = [oldest, older, newer, new]
    loaded = await media.load_all([Message("user", "look", (part,)) for part in parts], ANN)
    gone = [isinstance(loaded[part], OmittedMedia) for part in parts]
    assert gone == [True, True, False, False]


def part_of(upload: Part) -> pb.ContentPart:
    assert upload.media
    media = pb.MediaContent(storage_ref=upload.media.storage_ref, mime_type="image/png")
    return pb.ContentPart(type="image", media=media)


async def test_the_model_gets_the_bytes_and_the_history_keeps_the_reference(
    mounted: Mounted, start: Start, uploaded: Uploaded
) -> None:
    upload, foreign = uploaded.add(), uploaded.add(session_id="s2")
    # the prompt takes PNG only, and that is what a message may say of any file
    page = uploaded.add(mime_type="text/html")
    mounted.write_pack(pack(media={"enabled": True, "image": {"allowed_formats": ["png"]}}))
    picture = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    server = ChatServer([chunk({"content": "a cat"}), chunk({}, "stop")])
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1")
        start(OMNIA_MEDIA_STORAGE_TYPE="local", OMNIA_MEDIA_STORAGE_PATH=str(uploaded.root))
        async with client(mounted) as stub:
            health = await stub.Health(pb.HealthRequest())
            stream = Stream(stub, [(METADATA_USER_ID, "ann")])
            hello = await stream.read()
            asked = [pb.ContentPart(type="text", text="what is it?"), part_of(upload)]
            await stream.send(parts=asked, session=SESSION)
            first = await stream.turn()
            uploaded.file(upload).unlink()
            second = await stream.ask("sure?", session=SESSION)
            refused = []
            for part in (part_of(foreign), part_of(page)):
                await stream.send(parts=[part], session=SESSION)
                refused.append((await stream.turn())[-1].error)
    assert hello is not None
    assert "media_storage_ref" in health.capabilities
    assert "media_storage_ref" in hello.runtime_hello.capabilities
    assert said(first) == said(second) == "a cat"
    assert picture in str(server.bodies[0]["messages"][-1])
    assert "[not shown: image" in str(server.bodies[1]["messages"])
    assert picture not in str(server.bodies[1]["messages"])
    assert len(server.bodies) == 2
    assert [each.code for each in refused] == ["INVALID_MESSAGE"] * 2
    assert "another session" in refused[0].message
    assert "text/html" in refused[1].message
