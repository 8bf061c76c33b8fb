"""Uploads over WebSocket: one connection's, against uploads in memory and on a real disk."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from omnia_core.env.shared import MediaStorageType
from omnia_core.names import Handler
from omnia_facade.auth.principal import Principal
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    UploadTicket,
)
from omnia_facade.turns.local import AnnouncedSessions, EchoBackend
from omnia_facade.ws.binary import decode
from omnia_facade.ws.effects import Effect, Send
from omnia_facade.ws.inbound_limits import ConnectionLimits, ReadPause
from omnia_facade.ws.messages import FrameRefused
from omnia_facade.ws.uploads import (
    LATE_SECONDS,
    MAX_OPEN,
    MAX_WAITING_BYTES,
    SocketUploads,
    UploadFactory,
)
from tests.facade.conftest import Client, Running, connected, running
from tests.facade.omni_frames import UPLOAD, pack
from tests.facade.scripted_runtime import LIMIT
from tests.facade.socket_bed import accepted, connections_with, masked, rounds_of_the_loop
from tests.raw_websocket import Opcode, frame
from tests.services import free_port

MIA = Principal("mia", user_id="0123456789abcdef")
EXPIRED, FAR = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


class MemoryUploads:
    """Keeps files in a dict; bytes are taken while the gate is open."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requested: dict[str, UploadRequest] = {}
        self.watched: dict[str, Callable[[StoredFile], None]] = {}
        self.aborted: asyncio.Queue[str] = asyncio.Queue()
        self.expires_at = FAR
        self.gate = asyncio.Event()
        self.gate.set()
        self.writing = asyncio.Event()

    async def request(self, request: UploadRequest, caller: Principal) -> UploadTicket:
        assert caller is MIA
        if request.size_bytes > 100 << 20:
            raise MediaFailed(MediaErrorCode.TOO_LARGE, "too large")
        if request.filename == "crash":
            raise OSError("/a/secret/path")
        upload_id = f"upl-{len(self.requested)}"
        self.requested[upload_id] = request
        return UploadTicket(upload_id, "http://x", f"omnia://{upload_id}", self.expires_at)

    async def open(self, upload_id: str, caller: Principal) -> "MemoryWriter":
        assert caller is MIA
        return MemoryWriter(self, upload_id)

    def watch(self, upload_id: str, completed: Callable[[StoredFile], None]) -> Callable[[], None]:
        self.watched[upload_id] = completed

        def unwatch() -> None:
            self.watched.pop(upload_id, None)

        return unwatch

    def stored(self, upload_id: str, data: bytes) -> StoredFile:
        self.files[upload_id] = data
        return StoredFile(f"omnia://{upload_id}", "f", "text/plain", len(data), FAR, FAR)


class MemoryWriter:
    def __init__(self, uploads: MemoryUploads, upload_id: str) -> None:
        self.uploads, self.upload_id, self.data = uploads, upload_id, b""

    async def write(self, data: bytes) -> None:
        self.uploads.writing.set()
        await self.uploads.gate.wait()
        self.data += data

    async def finish(self) -> StoredFile:
        size = self.uploads.requested[self.upload_id].size_bytes
        if len(self.data) != size:
            raise MediaFailed(MediaErrorCode.INPUT_INVALID, f"expected {size} bytes")
        return self.uploads.stored(self.upload_id, self.data)

    async def abort(self) -> None:
        self.uploads.aborted.put_nowait(self.upload_id)


class Socket:
    """What was sent, and whether more would be read."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.paused = False

    def apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert isinstance(effect, Send)
            self.sent.put_nowait(orjson.loads(effect.data))

    def received(self) -> None:
        """Nothing is counted."""

    def pause_reading(self, reason: ReadPause) -> None:
        assert reason is ReadPause.UPLOAD
        self.paused = True

    def resume_reading(self, reason: ReadPause) -> None:
        assert reason is ReadPause.UPLOAD
        self.paused = False

    async def next(self, frame_type: str) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT):
            frame = await self.sent.get()
        assert frame["type"] == frame_type, frame
        body: dict[str, Any] = frame[frame_type]
        return body


class Bed:
    """One connection's uploads, its socket, and where they go."""

    def __init__(self) -> None:
        self.kept = MemoryUploads()
        self.factory = UploadFactory(self.kept)
        self.socket = Socket()
        self.uploads: SocketUploads = self.factory.begin(MIA, self.socket)

    async def ready(self, size: int = 4, filename: str = "f") -> str:
        self.uploads.request(UploadRequest("s", filename, "text/plain", size))
        ticket = await self.socket.next("upload_ready")
        return str(ticket["upload_id"])

    def aborted(self) -> list[str]:
        return [self.kept.aborted.get_nowait() for _ in range(self.kept.aborted.qsize())]

    def piece(self, upload_id: str, data: bytes, sequence: int, *, last: bool = False) -> None:
        piece = pack(data, sequence, last=last, kind=UPLOAD, upload_id=upload_id)
        self.uploads.receive(decode(piece))


@pytest.fixture
async def bed() -> Bed:
    return Bed()


async def test_a_file_comes_in_order_and_its_completion_is_told_once(bed: Bed) -> None:
    upload_id = await bed.ready()
    bed.piece(upload_id, b"ab", 0)
    bed.piece(upload_id, b"cd", 1, last=True)

    assert await bed.socket.next("upload_complete") == {
        "upload_id": upload_id,
        "storage_ref": f"omnia://{upload_id}",
        "size_bytes": 4,
    }
    assert bed.kept.files == {upload_id: b"abcd"}
    assert bed.kept.watched == {}
    with pytest.raises(FrameRefused, match="is open on this connection"):
        bed.piece(upload_id, b"more", 2)


async def test_a_file_that_comes_by_another_way_is_told_too(bed: Bed) -> None:
    upload_id = await bed.ready()

    bed.kept.watched[upload_id](bed.kept.stored(upload_id, b"abcd"))

    assert (await bed.socket.next("upload_complete"))["upload_id"] == upload_id
    assert bed.kept.watched == {}


async def test_what_came_of_a_file_that_was_completed_by_another_way_is_dropped(bed: Bed) -> None:
    upload_id = await bed.ready()
    bed.kept.gate.clear()
    bed.piece(upload_id, b"ab", 0)
    async with asyncio.timeout(LIMIT):
        await bed.kept.writing.wait()
        bed.kept.watched[upload_id](bed.kept.stored(upload_id, b"abcd"))
        bed.kept.gate.set()
        assert await bed.kept.aborted.get() == upload_id
    await bed.socket.next("upload_complete")
    assert bed.socket.sent.empty()


async def test_an_upload_ends_with_its_ticket(bed: Bed) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.05 - LATE_SECONDS)
    bed.kept.expires_at = soon.isoformat()
    await bed.ready()
    begun = await bed.ready()
    bed.piece(begun, b"ab", 0)
    async with asyncio.timeout(LIMIT):
        assert await bed.kept.aborted.get() == begun
    assert bed.kept.watched == {}
    with pytest.raises(FrameRefused, match="begin with an upload_request"):
        bed.piece(begun, b"cd", 1)


async def test_several_files_may_come_at_once(bed: Bed) -> None:
    one, two = await bed.ready(), await bed.ready()
    for sequence, last in ((0, False), (1, True)):
        bed.piece(one, b"ab", sequence, last=last)
        bed.piece(two, b"xy", sequence, last=last)

    assert (await bed.socket.next("upload_complete"))["upload_id"] == one
    assert (await bed.socket.next("upload_complete"))["upload_id"] == two
    assert bed.kept.files == {one: b"abab", two: b"xyxy"}


@pytest.mark.covers("websocket.md#upload-order", "websocket.md#upload-failed")
async def test_a_piece_out_of_order_fails_the_upload_once_and_it_may_begin_anew(bed: Bed) -> None:
    upload_id = await bed.ready()
    bed.piece(upload_id, b"ab", 0)
    for sequence in (2, 3, 4):
        bed.piece(upload_id, b"cd", sequence)
    error = await bed.socket.next("error")
    bed.piece(upload_id, b"abcd", 0, last=True)

    assert error["code"] == "UPLOAD_FAILED"
    assert "expected the piece with sequence 1, found 2" in error["message"]
    named = {"upload_id": upload_id, "reason": "input_invalid"}
    assert named.items() <= error["details"].items()
    await bed.socket.next("upload_complete")
    assert bed.aborted() == [upload_id]


async def test_a_file_that_is_not_as_announced_fails(bed: Bed) -> None:
    upload_id = await bed.ready(size=3)
    bed.piece(upload_id, b"abcd", 0, last=True)

    assert (await bed.socket.next("error"))["message"] == "expected 3 bytes"
    assert bed.aborted() == [upload_id]


@pytest.mark.parametrize(
    ("filename", "size", "message", "reason"),
    [("big", 1 << 30, "too large", "payload_too_large"), ("crash", 1, "try again", None)],
)
async def test_a_request_that_is_not_granted_says_which_file_is_meant(
    bed: Bed, filename: str, size: int, message: str, reason: str | None
) -> None:
    bed.uploads.request(UploadRequest("s", filename, "text/plain", size))

    error = await bed.socket.next("error")
    assert error["code"] == "UPLOAD_FAILED"
    assert message in error["message"]
    assert error["details"].get("filename") == filename
    assert error["details"].get("reason") == reason
    assert "secret" not in str(error)


@pytest.mark.covers("websocket.md#upload-limit")
async def test_so_many_uploads_may_be_open_and_expired_ones_do_not_count(bed: Bed) -> None:
    bed.kept.expires_at = EXPIRED
    await bed.ready()
    bed.kept.expires_at = FAR
    for _ in range(MAX_OPEN):
        await bed.ready()
    with pytest.raises(FrameRefused) as caught:
        bed.uploads.request(UploadRequest("s", "f", "text/plain", 1))
    assert caught.value.code == "RATE_LIMITED"


@pytest.mark.parametrize(
    ("metadata", "code"), [({}, "INVALID_MESSAGE"), ({"upload_id": "upl-x"}, "UPLOAD_FAILED")]
)
async def test_bytes_of_no_upload_are_refused(
    bed: Bed, metadata: dict[str, Any], code: str
) -> None:
    with pytest.raises(FrameRefused) as caught:
        bed.uploads.receive(decode(pack(b"x", kind=UPLOAD, **metadata)))
    assert caught.value.code == code


@pytest.mark.covers("websocket.md#upload-backpressure")
async def test_a_slow_disk_stops_the_client_and_not_for_ever(bed: Bed) -> None:
    bed.kept.gate.clear()
    upload_id = await bed.ready(size=2 * MAX_WAITING_BYTES)
    bed.piece(upload_id, bytes(MAX_WAITING_BYTES), 0)
    assert not bed.socket.paused
    bed.piece(upload_id, bytes(MAX_WAITING_BYTES), 1, last=True)
    assert bed.socket.paused

    bed.kept.gate.set()
    await bed.socket.next("upload_complete")
    assert not bed.socket.paused


@pytest.mark.covers("websocket.md#upload-closing")
async def test_what_is_open_when_the_connection_closes_is_aborted_and_not_watched(bed: Bed) -> None:
    begun, _waiting = await bed.ready(), await bed.ready()
    bed.kept.gate.clear()
    bed.piece(begun, b"ab", 0)
    bed.piece(begun, b"cd", 1)
    async with asyncio.timeout(LIMIT):
        await bed.kept.writing.wait()
    bed.uploads.close()
    bed.kept.gate.set()
    async with asyncio.timeout(LIMIT):
        await bed.factory.close()

    assert bed.aborted() == [begun]
    assert bed.kept.watched == {}


async def test_pieces_that_wait_for_the_disk_count_for_the_pod() -> None:
    kept = MemoryUploads()
    factory = UploadFactory(kept)
    pod = connections_with(ConnectionLimits(held_bytes=MAX_WAITING_BYTES))
    echo = EchoBackend(AnnouncedSessions()).begin("s", MIA)
    connection, socket = accepted(echo, connections=pod, begin_uploads=partial(factory.begin, MIA))
    size = MAX_WAITING_BYTES + 1
    body = {"filename": "f", "mime_type": "text/plain", "size_bytes": size}
    connection.data_received(masked(type="upload_request", upload_request=body))
    await rounds_of_the_loop(5)
    upload_id = socket.frames()[-1]["upload_ready"]["upload_id"]
    kept.gate.clear()
    piece = pack(b"x" * size, 0, last=True, kind=UPLOAD, upload_id=upload_id)
    connection.data_received(frame(piece, Opcode.BINARY))
    await rounds_of_the_loop(5)
    assert not pod.budget.allows(size)

    kept.gate.set()
    await rounds_of_the_loop(10)
    assert socket.frames()[-1]["type"] == "upload_complete"
    assert pod.budget.allows(size)
    connection.connection_lost(None)
    await factory.close()


def media(path: Path, **settings: Any) -> dict[str, Any]:
    port = free_port()
    return {
        "handler_mode": Handler.ECHO,
        "media_storage_type": MediaStorageType.LOCAL,
        "media_storage_path": str(path),
        "media_public_url": f"http://127.0.0.1:{port}",
        **settings,
    }


@pytest.mark.covers(
    "websocket.md#upload-ready",
    "websocket.md#upload-complete",
    "websocket.md#upload-ways",
    "websocket.md#upload-beside-turns",
)
async def test_a_file_goes_over_the_socket_or_over_http_while_messages_are_answered(
    tmp_path: Path,
) -> None:
    async with (
        running(**media(tmp_path)) as facade,
        connected(f"{facade.ws}?binary=true") as client,
    ):
        ready = await _request(client, "a.txt", 4)
        await client.socket.send(pack(b"ab", 0, kind=UPLOAD, upload_id=ready["upload_id"]))
        await client.say("meanwhile")
        assert (await client.receive())["content"] == "Echo: meanwhile"
        last = pack(b"cd", 1, last=True, kind=UPLOAD, upload_id=ready["upload_id"])
        await client.socket.send(last)
        done = await client.receive()
        other = await _request(client, "b.txt", 2)
        await _put(facade, other["upload_url"], b"xy")
        put = await client.receive()

    assert done["upload_complete"] == {
        "upload_id": ready["upload_id"],
        "storage_ref": ready["storage_ref"],
        "size_bytes": 4,
    }
    assert ready["storage_ref"].startswith(f"omnia://sessions/{done['session_id']}/media/")
    assert put["upload_complete"]["storage_ref"] == other["storage_ref"]


@pytest.mark.covers("websocket.md#upload-session", "websocket.md#session-not-found")
async def test_an_upload_is_for_a_session_that_is_open_on_the_connection(tmp_path: Path) -> None:
    async with running(**media(tmp_path)) as facade, connected(facade.ws) as client:
        body = {"filename": "a", "mime_type": "text/plain", "size_bytes": 1}
        await client.send("upload_request", upload_request=body, session_id="of-another")
        assert (await client.receive())["error"]["code"] == "SESSION_NOT_FOUND"


async def _request(client: Client, filename: str, size: int) -> dict[str, Any]:
    body = {"filename": filename, "mime_type": "text/plain", "size_bytes": size}
    await client.send("upload_request", upload_request=body)
    frame = await client.receive()
    assert frame["type"] == "upload_ready", frame
    ready: dict[str, Any] = frame["upload_ready"]
    return ready


async def _put(facade: Running, url: str, data: bytes) -> None:
    path = url.split("/", 3)[3]
    async with (
        aiohttp.ClientSession() as session,
        session.put(
            f"{facade.http}/{path}", data=data, headers={"Content-Type": "text/plain"}
        ) as response,
    ):
        assert response.status < 300, await response.text()
