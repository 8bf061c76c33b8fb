"""Uploads and downloads over the facade's port."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.units import ByteSize, Duration
from omnia_facade.timings import Timings
from tests.facade.conftest import Running, running
from tests.facade.media_bed import (
    PICTURE,
    PUBLIC,
    SESSION,
    Caller,
    ids,
    serving,
    serving_users,
)
from tests.facade.scripted_runtime import LIMIT


@pytest.fixture
async def facade(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path / "media") as served:
        yield served


async def head_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(LIMIT):
        return await reader.readuntil(b"\r\n\r\n")


@pytest.fixture
def anyone(facade: Running) -> Caller:
    return Caller(facade)


async def test_a_file_is_requested_sent_confirmed_described_and_downloaded(anyone: Caller) -> None:
    requested = await anyone.request()
    assert requested.status == 200
    ticket = requested.body
    assert set(ticket) == {"upload_id", "upload_url", "storage_ref", "expires_at"}
    assert re.fullmatch(r"upl-[0-9a-f]{32}", ticket["upload_id"])
    assert ticket["upload_url"] == f"{PUBLIC}media/upload/{ticket['upload_id']}"
    assert re.fullmatch(rf"omnia://sessions/{SESSION}/media/[0-9a-f]{{32}}", ticket["storage_ref"])
    left = datetime.fromisoformat(ticket["expires_at"]) - datetime.now().astimezone()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)

    sent = await anyone.put(ticket)
    assert (sent.status, sent.content) == (204, b"")

    confirmed = await anyone.ask("POST", f"/media/confirm-upload/{ticket['upload_id']}")
    info = await anyone.info(ticket["storage_ref"])
    assert (confirmed.status, info.status) == (200, 200)
    told = info.body
    assert confirmed.body == told
    created, expires = (
        datetime.fromisoformat(told.pop(name)) for name in ("created_at", "expires_at")
    )
    assert expires - created == timedelta(hours=24)
    assert told == {
        "storage_ref": ticket["storage_ref"],
        "filename": "cat.png",
        "mime_type": "image/png",
        "size_bytes": len(PICTURE),
        "download_url": f"{PUBLIC}media/download/{ids(ticket['storage_ref'])}",
    }

    download = await anyone.download(ticket["storage_ref"])
    assert (download.status, download.content) == (200, PICTURE)
    assert download.headers["Content-Type"] == "image/png"
    assert download.headers["Content-Length"] == str(len(PICTURE))
    assert download.headers["Content-Disposition"] == 'attachment; filename="cat.png"'
    assert download.headers["X-Content-Type-Options"] == "nosniff"
    head = await anyone.download(ticket["storage_ref"], "HEAD")
    assert (head.status, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(PICTURE))


async def test_a_large_file_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096 * 3
    async with serving(tmp_path / "media") as facade:
        anyone = Caller(facade)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 50_000):
                yield data[start : start + 50_000]

        ticket = (await anyone.request(size_bytes=len(data))).body
        assert (await anyone.put(ticket, pieces())).status == 204
        assert (await anyone.download(ticket["storage_ref"])).content == data
        part = await anyone.download(ticket["storage_ref"], Range="bytes=1000000-1999999")
    assert (part.status, part.content) == (206, data[1000000:2000000])
    assert part.headers["Content-Range"] == f"bytes 1000000-1999999/{len(data)}"


RANGES = [
    ("bytes=0-0", 206, PICTURE[:1], f"bytes 0-0/{len(PICTURE)}"),
    ("bytes=5-", 206, PICTURE[5:], f"bytes 5-{len(PICTURE) - 1}/{len(PICTURE)}"),
    (
        "bytes=-4",
        206,
        PICTURE[-4:],
        f"bytes {len(PICTURE) - 4}-{len(PICTURE) - 1}/{len(PICTURE)}",
    ),
    ("bytes=2-999", 206, PICTURE[2:], f"bytes 2-{len(PICTURE) - 1}/{len(PICTURE)}"),
    ("bytes=-999", 206, PICTURE, f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}"),
    ("bytes=5-2", 200, PICTURE, None),
    ("bytes=0-1,3-4", 200, PICTURE, None),
    ("lines=0-1", 200, PICTURE, None),
    ("bytes=-", 200, PICTURE, None),
]


async def test_a_part_of_a_file_can_be_asked_for(anyone: Caller) -> None:
    reference = await anyone.uploaded()
    for header, status, content, content_range in RANGES:
        part = await anyone.download(reference, Range=header)
        assert (part.status, part.content) == (status, content), header
        assert part.headers.get("Content-Range") == content_range


async def test_a_part_behind_the_end_is_refused_and_what_is_known_is_not_sent_again(
    anyone: Caller,
) -> None:
    reference = await anyone.uploaded()
    behind = await anyone.download(reference, Range=f"bytes={len(PICTURE)}-")
    assert (behind.status, behind.body["error"]) == (416, "range_not_satisfiable")
    assert behind.headers["Content-Range"] == f"bytes */{len(PICTURE)}"
    etag = (await anyone.download(reference)).headers["ETag"]
    known = await anyone.download(reference, **{"If-None-Match": f'"other", W/{etag}'})
    assert (known.status, known.content) == (304, b"")
    same = await anyone.download(reference, Range="bytes=0-1", **{"If-Range": etag})
    other = await anyone.download(reference, Range="bytes=0-1", **{"If-Range": '"other"'})
    assert (same.status, other.status) == (206, 200)


FILENAMES = [
    ("a b.txt", 'attachment; filename="a b.txt"'),
    (
        'say "hi".txt',
        "attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt",
    ),
    ("Füße.pdf", "attachment; filename=\"F__e.pdf\"; filename*=UTF-8''F%C3%BC%C3%9Fe.pdf"),
    (
        "../../etc/passwd",
        "attachment; filename=\".._.._etc_passwd\"; filename*=UTF-8''.._.._etc_passwd",
    ),
]


async def test_a_filename_cannot_break_out_of_its_header(anyone: Caller) -> None:
    for filename, expected in FILENAMES:
        download = await anyone.download(await anyone.uploaded(filename=filename))
        assert download.headers["Content-Disposition"] == expected


REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"session": "../x"}, 400, "input_invalid", "session_id"),
    ({"session": ""}, 400, "input_invalid", "session_id"),
    ({"session": "s" * 129}, 400, "input_invalid", "session_id"),
    ({"filename": ""}, 400, "input_invalid", "filename"),
    ({"filename": "a\r\nX-Evil: 1"}, 400, "input_invalid", "filename"),
    ({"filename": "n" * 256}, 400, "input_invalid", "filename"),
    ({"mime_type": "image"}, 400, "input_invalid", "mime_type"),
    ({"mime_type": "image/png\r\nX-Evil: 1"}, 400, "input_invalid", "mime_type"),
    ({"size_bytes": 0}, 400, "input_invalid", "size_bytes"),
    ({"size_bytes": "12"}, 400, "input_invalid", "$.size_bytes"),
    ({"size_bytes": None}, 400, "input_invalid", "size_bytes"),
    ({"size_bytes": 10 * 1024 * 1024 + 1}, 413, "payload_too_large", "10485760"),
]


async def test_a_request_that_cannot_be_permitted_says_why(anyone: Caller) -> None:
    for changes, status, error, detail in REFUSED:
        refused = await anyone.request(**changes)
        assert (refused.status, refused.body["error"]) == (status, error), changes
        assert detail in refused.body["detail"]


async def test_only_json_can_ask_for_an_upload(anyone: Caller) -> None:
    form = await anyone.ask("POST", "/media/request-upload", b"{}", {"Content-Type": "text/plain"})
    none = await anyone.ask("POST", "/media/request-upload", b"{}")
    for each in (form, none):
        assert (each.status, each.body["error"]) == (415, "unsupported_media_type")
    for body in (b"{", b'{"filename":"\xff"}', b'{"x":' + b"[" * 20_000):
        broken = await anyone.ask(
            "POST", "/media/request-upload", body, {"Content-Type": "application/json"}
        )
        assert (broken.status, broken.body["error"]) == (400, "input_invalid"), body[:20]


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        (PICTURE + b"!", 413, "payload_too_large"),
        (PICTURE[:-1], 400, "input_invalid"),
        (b"", 400, "input_invalid"),
    ],
)
async def test_the_size_that_was_announced_is_held_to_while_the_bytes_come(
    tmp_path: Path, data: bytes, status: int, error: str
) -> None:
    async with serving(tmp_path / "media") as facade:
        anyone = Caller(facade)
        ticket = (await anyone.request()).body

        async def chunked() -> AsyncIterator[bytes]:
            yield data

        for body in (data, chunked()):
            refused = await anyone.put(ticket, body)
            assert (refused.status, refused.body["error"]) == (status, error)
        assert (await anyone.info(ticket["storage_ref"])).status == 404
        assert not list((tmp_path / "media" / ".uploads").glob("*.part"))
        # the upload can be begun anew
        assert (await anyone.put(ticket)).status == 204


async def test_a_compressed_file_is_refused_and_a_client_is_told_before_it_sends(
    facade: Running, anyone: Caller
) -> None:
    ticket = (await anyone.request()).body
    packed = await anyone.put(ticket, **{"Content-Encoding": "gzip"})
    assert (packed.status, packed.body["error"]) == (415, "unsupported_media_type")
    path = "/" + ticket["upload_url"].removeprefix(PUBLIC)
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(PICTURE)}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert (await head_of(reader)).startswith(b"HTTP/1.1 100 ")
    writer.write(PICTURE)
    assert (await head_of(reader)).startswith(b"HTTP/1.1 204 ")
    writer.close()


async def test_a_client_that_stops_in_mid_file_is_answered_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "media", timings=Timings(body=0.2)) as facade:
        anyone = Caller(facade)
        ticket = (await anyone.request()).body
        path = "/" + ticket["upload_url"].removeprefix(PUBLIC)
        reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
        head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
        writer.write(head.encode() + PICTURE[:5])
        assert (await head_of(reader)).startswith(b"HTTP/1.1 408 ")
        writer.close()
        assert not list((tmp_path / "media" / ".uploads").glob("*.part"))


async def test_an_upload_is_complete_once(anyone: Caller) -> None:
    ticket = (await anyone.request()).body
    confirm = f"/media/confirm-upload/{ticket['upload_id']}"
    early = await anyone.ask("POST", confirm)
    assert (early.status, early.body["error"]) == (409, "upload_conflict")
    answers = await asyncio.gather(*(anyone.put(ticket) for _ in range(4)))
    assert sorted(each.status for each in answers) == [204, 409, 409, 409]
    assert (await anyone.put(ticket)).status == 409
    assert (await anyone.ask("POST", confirm)).status == 200


async def test_what_has_expired_is_gone(tmp_path: Path) -> None:
    async with serving(tmp_path / "media", media_default_ttl=Duration(0)) as facade:
        anyone = Caller(facade)
        reference = await anyone.uploaded()
        for answer in (await anyone.download(reference), await anyone.info(reference)):
            assert (answer.status, answer.body["error"]) == (410, "media_expired")


async def test_a_session_has_limits(tmp_path: Path) -> None:
    async with serving(
        tmp_path / "media",
        media_max_pending=2,
        media_max_session_files=3,
        media_max_session_size=ByteSize(100),
    ) as facade:
        anyone = Caller(facade)
        tickets = [(await anyone.request()).body for _ in range(2)]
        third = await anyone.request()
        elsewhere = await anyone.request("another-session")
        for ticket in tickets:
            assert (await anyone.put(ticket)).status == 204
        large = await anyone.request(size_bytes=60)
        await anyone.uploaded(b"x")
        fourth = await anyone.request(size_bytes=1)
        # one file may always be there
        alone = await anyone.request("a-third-session", size_bytes=1000)
    assert (third.status, third.body["error"]) == (409, "upload_conflict")
    assert (large.status, large.body["error"]) == (507, "storage_full")
    assert (fourth.status, fourth.body["error"]) == (507, "storage_full")
    assert (elsewhere.status, alone.status) == (200, 200)


async def test_media_belong_to_who_uploaded_them(tmp_path: Path) -> None:
    async with serving_users(tmp_path, tmp_path / "media") as facade:
        ann, ben, nobody = Caller(facade, "ann"), Caller(facade, "ben"), Caller(facade)
        ticket = (await ann.request()).body
        confirm = f"/media/confirm-upload/{ticket['upload_id']}"
        others = [await ben.put(ticket), await ben.ask("POST", confirm)]
        assert (await ann.put(ticket)).status == 204
        reference = ticket["storage_ref"]
        others += [await ben.ask("POST", confirm), await ben.info(reference)]
        others += [await ben.download(reference), await ben.request()]
        assert [each.status for each in others] == [404] * 6
        unknown = [
            await nobody.request(),
            await nobody.put(ticket),
            await nobody.ask("POST", confirm),
            await nobody.info(reference),
            await nobody.download(reference),
        ]
        assert [each.status for each in unknown] == [401] * 5
        assert (await ann.download(reference)).content == PICTURE


async def test_two_facades_share_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    async with serving(folder) as one, serving(folder) as two:
        first, second = Caller(one), Caller(two)
        ticket = (await first.request()).body
        assert (await second.put(ticket)).status == 204
        confirmed = await first.ask("POST", f"/media/confirm-upload/{ticket['upload_id']}")
        assert confirmed.body["storage_ref"] == ticket["storage_ref"]
        assert (await first.download(ticket["storage_ref"])).content == PICTURE
        contested = (await first.request()).body
        answers = await asyncio.gather(first.put(contested), second.put(contested))
        assert sorted(each.status for each in answers) == [204, 409]


METHODS = [
    ("GET", "/media/request-upload", "POST"),
    ("GET", f"/media/upload/upl-{'0' * 32}", "PUT"),
    ("HEAD", f"/media/upload/upl-{'0' * 32}", "PUT"),
    ("POST", f"/media/upload/upl-{'0' * 32}", "PUT"),
    ("PUT", f"/media/confirm-upload/upl-{'0' * 32}", "POST"),
    ("DELETE", f"/media/info/{SESSION}/{'0' * 32}", "GET, HEAD"),
    ("POST", f"/media/download/{SESSION}/{'0' * 32}", "GET, HEAD"),
    ("OPTIONS", "/media/request-upload", "POST"),
]


async def test_a_path_says_which_methods_it_takes(anyone: Caller) -> None:
    for method, path, allow in METHODS:
        refused = await anyone.ask(method, path)
        assert (refused.status, refused.headers["Allow"]) == (405, allow)


async def test_a_facade_that_cannot_keep_files_says_what_to_change(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_bytes(b"")
    for settings, named in (
        ({"media_public_url": None}, "OMNIA_MEDIA_PUBLIC_URL: missing"),
        ({"media_storage_path": str(occupied)}, "OMNIA_MEDIA_STORAGE_PATH: the folder .* cannot"),
    ):
        with pytest.raises(ConfigurationError, match=named):
            async with serving(tmp_path / "media", **settings):
                pass


async def test_a_facade_without_media_serves_none() -> None:
    async with running(handler_mode="echo") as facade:
        refused = await Caller(facade).request()
    assert (refused.status, refused.body["error"]) == (404, "not_found")
