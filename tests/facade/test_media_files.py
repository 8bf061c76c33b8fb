"""Uploads on the file system: tickets, limits of time, what is swept, what is left alone."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from omnia_core.media import folder_name, opened_folder
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.http.downloads import (
    MAX_DOWNLOADS_OF_USER,
    Downloads,
    content_disposition,
    select,
)
from omnia_facade.media.library import Download, MediaLibrary
from omnia_facade.media.policy import TICKET_LIFETIME
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    UploadTicket,
)
from omnia_facade.media.quota import require_owner
from omnia_facade.media.sweep import REMEMBERED
from omnia_facade.media.threads import in_thread, opened_in_thread
from omnia_facade.media.uploads import MAX_OPEN_OF_USER, FileWriter
from omnia_facade.metrics import FacadeMetrics
from tests.facade.media_shelf import ANN, SECOND, TTL, Shelf, refusal
from tests.facade.scripted_runtime import LIMIT


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    await made.uploads.close()


async def test_a_ticket_is_good_for_a_quarter_of_an_hour(shelf: Shelf) -> None:
    ticket = await shelf.ticket()
    begun = await shelf.uploads.open((await shelf.ticket()).upload_id, ANN)
    shelf.now += TICKET_LIFETIME
    assert await refusal(shelf.uploads.open(ticket.upload_id, ANN)) is MediaErrorCode.EXPIRED
    assert await refusal(begun.write(b"b")) is MediaErrorCode.EXPIRED
    assert await refusal(begun.finish()) is MediaErrorCode.EXPIRED
    await begun.abort()


async def test_pending_uploads_that_expired_do_not_count(shelf: Shelf) -> None:
    for _ in range(16):
        await shelf.ticket()
    assert await refusal(shelf.ticket()) is MediaErrorCode.CONFLICT
    shelf.now += TICKET_LIFETIME
    await shelf.ticket()


async def test_requests_at_once_do_not_exceed_the_limit(shelf: Shelf) -> None:
    asked = await asyncio.gather(*(shelf.ticket() for _ in range(24)), return_exceptions=True)
    assert sum(isinstance(each, UploadTicket) for each in asked) == 16


async def test_what_expired_is_swept_and_remembered_for_an_hour(shelf: Shelf) -> None:
    media_id = (await shelf.write(await shelf.ticket())).storage_ref[-32:]
    shelf.now += TTL - SECOND
    shelf.sweep()
    assert {media_id, f"{media_id}.meta"} <= shelf.names()
    shelf.now += SECOND
    shelf.sweep()
    assert media_id not in shelf.names()
    gone = shelf.library.download("s", media_id, ANN)
    assert await refusal(gone) is MediaErrorCode.EXPIRED
    shelf.now += REMEMBERED
    shelf.sweep()
    assert f"{media_id}.meta" not in shelf.names()
    assert await refusal(shelf.library.info("s", media_id, ANN)) is MediaErrorCode.NOT_FOUND


async def test_what_nobody_finished_is_swept_and_then_the_session_too(shelf: Shelf) -> None:
    ticket = await shelf.ticket()
    writer = await shelf.uploads.open(ticket.upload_id, ANN)
    await writer.write(b"by")
    (shelf.root / "s" / ("e" * 32)).write_bytes(b"bytes without a record")
    (shelf.root / "s" / f"{'d' * 32}.0.new").write_bytes(b"half a record")
    shelf.sweep()
    assert len(shelf.names()) == 8
    shelf.age(TICKET_LIFETIME + REMEMBERED + SECOND)
    shelf.sweep()
    assert {name for name in shelf.names() if name not in ("s", ".uploads")} == {
        name for name in shelf.names() if name.startswith(".owner-")
    }
    shelf.age(TICKET_LIFETIME + REMEMBERED + SECOND)
    shelf.sweep()
    assert shelf.names() == {".uploads"}


async def test_an_upload_can_be_confirmed_for_an_hour_and_is_then_forgotten(shelf: Shelf) -> None:
    ticket = await shelf.ticket()
    stored = await shelf.write(ticket)
    shelf.sweep()
    assert await shelf.uploads.confirm(ticket.upload_id, ANN) == stored
    shelf.age(TICKET_LIFETIME + REMEMBERED + SECOND)
    shelf.sweep()
    late = shelf.uploads.confirm(ticket.upload_id, ANN)
    assert await refusal(late) is MediaErrorCode.NOT_FOUND
    media_id = stored.storage_ref[-32:]
    assert await shelf.library.info("s", media_id, ANN) == stored


async def test_what_is_not_ours_is_left_alone(shelf: Shelf) -> None:
    for name in ("lost+found", "theirs"):
        (shelf.root / name).mkdir()
    (shelf.root / "theirs" / "notes.txt").write_text("theirs")
    (shelf.root / "notes.txt").write_text("theirs")
    (shelf.root / "link").symlink_to(shelf.root / "theirs")
    await shelf.write(await shelf.ticket())
    before = shelf.names()
    shelf.age(timedelta(days=365))
    shelf.sweep()
    assert before - shelf.names() == {name for name in before if name.endswith(".done")}
    assert not any(name.endswith(".done") for name in shelf.names())


async def test_a_round_is_swept_a_little_at_a_time(shelf: Shelf) -> None:
    for _ in range(5):
        await shelf.write(await shelf.ticket())
    shelf.now += TTL
    shelf.sweeper.step(1)
    left = []
    for _ in range(40):
        shelf.sweeper.step(1)
        left.append(sum(len(name) == 32 for name in shelf.names()))
    assert left[-1] == 0
    assert all(one - other <= 1 for one, other in pairwise(left))


async def test_who_waits_is_told_once_by_this_pod_or_another(shelf: Shelf, tmp_path: Path) -> None:
    other = Shelf(tmp_path)
    told: asyncio.Queue[StoredFile] = asyncio.Queue()
    here, there, never = [await shelf.ticket() for _ in range(3)]
    for ticket in (here, there):
        shelf.uploads.watch(ticket.upload_id, told.put_nowait)
    shelf.uploads.watch(never.upload_id, told.put_nowait)()
    stored = {await shelf.write(here), await other.write(there), await shelf.write(never)}
    async with asyncio.timeout(LIMIT):
        found = {await told.get(), await told.get()}
    assert found < stored
    assert told.empty()


async def test_a_full_volume_is_told_and_the_upload_can_be_begun_anew(shelf: Shelf) -> None:
    full = await refusal(in_thread(_full))
    broken = await refusal(in_thread(_broken))
    assert (full, broken) == (MediaErrorCode.STORAGE_FULL, MediaErrorCode.STORAGE_FAILED)
    ticket = await shelf.ticket()
    # where the file's folder should be there is something else
    folder = (shelf.root / "s").rename(shelf.root / "moved")
    (shelf.root / "s").write_bytes(b"")
    writer = await shelf.uploads.open(ticket.upload_id, ANN)
    await writer.write(b"bytes")
    assert await refusal(writer.finish()) is MediaErrorCode.STORAGE_FAILED
    await writer.abort()
    (shelf.root / "s").unlink()
    folder.rename(shelf.root / "s")
    assert (await shelf.write(ticket)).size_bytes == 5


def _full() -> None:
    raise OSError(28, "No space left on device")


def _broken() -> None:
    raise OSError(5, "Input/output error")


async def test_what_could_not_be_kept_leaves_nothing_behind(shelf: Shelf) -> None:
    ticket = await shelf.ticket()
    media_id = ticket.storage_ref[-32:]
    before = shelf.names()
    # where the record should be there is something else
    (shelf.root / "s" / f"{media_id}.meta").mkdir()
    writer = await shelf.uploads.open(ticket.upload_id, ANN)
    await writer.write(b"bytes")
    assert await refusal(writer.finish()) is MediaErrorCode.STORAGE_FAILED
    await writer.abort()
    (shelf.root / "s" / f"{media_id}.meta").rmdir()
    assert shelf.names() == before
    assert (await shelf.write(ticket)).size_bytes == 5


async def test_a_request_that_could_not_be_noted_does_not_count(shelf: Shelf) -> None:
    uploads = (shelf.root / ".uploads").rename(shelf.root / "moved")
    assert await refusal(shelf.ticket()) is MediaErrorCode.STORAGE_FAILED
    assert not any(name.endswith(".reserved") for name in shelf.names())
    uploads.rename(shelf.root / ".uploads")
    await shelf.ticket()


BROKEN = {"no UTF-8": b'{"session_id":"\xff"}', "deep": b'{"x":' + b"[" * 20_000, "zeros": bytes(8)}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_records_that_nobody_can_read_are_as_none(shelf: Shelf, broken: bytes) -> None:
    media_id = "c" * 32
    upload_id = f"upl-{media_id}"
    await shelf.ticket()
    for name in (f"s/{media_id}.meta", f"s/{media_id}.reserved", f".uploads/{upload_id}"):
        (shelf.root / name).write_bytes(broken)
    unknown = (shelf.library.info("s", media_id, ANN), shelf.uploads.open(upload_id, ANN))
    assert [await refusal(each) for each in unknown] == [MediaErrorCode.NOT_FOUND] * 2
    await shelf.ticket()
    shelf.age(TICKET_LIFETIME + REMEMBERED + SECOND)
    shelf.sweep()
    assert not [name for name in shelf.names() if media_id in name]


def test_of_two_pods_that_ask_for_the_first_time_at_once_none_keeps_the_other_out(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(2) as pods:
        for number in range(200):
            session = tmp_path / str(number)
            session.mkdir()
            start = Barrier(2)
            for asked in [pods.submit(_own, session, start, user) for user in ("a", "b")]:
                asked.result()
            assert len(list(session.iterdir())) < 2


def _own(session: Path, start: Barrier, user_id: str) -> None:
    # Each opens it for itself, as pods do: who shares a descriptor shares the place in the listing.
    with opened_folder(session) as folder:
        start.wait(LIMIT)
        with suppress(MediaFailed):
            require_owner(folder, user_id)


async def test_one_user_cannot_take_every_place_of_a_pod(shelf: Shelf) -> None:
    async def begin(session: str, caller: Principal) -> FileWriter:
        request = UploadRequest(session, "a.txt", "text/plain", 5)
        ticket = await shelf.uploads.request(request, caller)
        return await shelf.uploads.open(ticket.upload_id, caller)

    begun = [await begin(f"s{number // 16}", ANN) for number in range(MAX_OPEN_OF_USER)]
    assert await refusal(begin("more", ANN)) is MediaErrorCode.TOO_MANY_OF_USER
    begun.append(await begin("bens", Principal(subject="ben", user_id="b2")))
    await begun.pop(0).abort()
    begun.append(await begin("more", ANN))
    for writer in begun:
        await writer.abort()


class Waiting(MediaLibrary):
    """Finds a file for nobody, and not before it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()

    async def download(self, session_id: str, media_id: str, caller: Principal) -> Download:
        await self.may.wait()
        raise MediaFailed(MediaErrorCode.NOT_FOUND, f"{session_id}/{media_id} {caller.user_id}")


async def test_one_user_cannot_take_every_download_of_a_pod() -> None:
    library = Waiting()
    metrics = FacadeMetrics(CollectorRegistry(), agent="a", namespace="n").media
    downloads = Downloads(library, metrics, LIMIT)
    request = make_mocked_request("GET", "/media/download/s/m")

    def ask(caller: Principal) -> asyncio.Task[web.StreamResponse]:
        return asyncio.create_task(downloads.answer(request, caller, "s", "m"))

    async with asyncio.timeout(LIMIT):
        first = [ask(ANN) for _ in range(MAX_DOWNLOADS_OF_USER)]
        others = [ask(Principal(subject="ben", user_id="b2")), ask(ANONYMOUS)]
        assert await refusal(ask(ANN)) is MediaErrorCode.TOO_MANY_OF_USER
        library.may.set()
        for task in (*first, *others, ask(ANN)):
            assert await refusal(task) is MediaErrorCode.NOT_FOUND


async def test_what_was_opened_for_nobody_is_closed() -> None:
    closed: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> str:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(LIMIT)
        return "descriptor"

    task = asyncio.create_task(opened_in_thread(work, closed.append))
    await begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    go_on.set()
    await asyncio.wait({task}, timeout=LIMIT)
    assert task.cancelled()
    assert closed == ["descriptor"]


async def test_uploads_are_counted(shelf: Shelf) -> None:
    await shelf.write(await shelf.ticket())
    given_up = await shelf.uploads.open((await shelf.ticket()).upload_id, ANN)
    await given_up.write(b"by")
    await given_up.abort()
    await given_up.abort()
    text = generate_latest(shelf.registry).decode()
    labels = 'agent="a",namespace="n"'
    assert f'omnia_facade_uploads_total{{{labels},status="success"}} 1.0' in text
    assert f'omnia_facade_uploads_total{{{labels},status="failed"}} 1.0' in text
    assert f"omnia_facade_upload_bytes_total{{{labels}}} 5.0" in text
    assert f"omnia_facade_upload_duration_seconds_count{{{labels}}} 2.0" in text


async def test_nobodys_session_is_everybodys_until_somebody_is_known(shelf: Shelf) -> None:
    request = UploadRequest("s", "a.txt", "text/plain", 5)
    ben = Principal(subject="ben", user_id="b2")
    await shelf.uploads.request(request, ANONYMOUS)
    await shelf.uploads.request(request, ANN)
    assert await refusal(shelf.uploads.request(request, ben)) is MediaErrorCode.NOT_FOUND
    assert await refusal(shelf.uploads.request(request, ANONYMOUS)) is MediaErrorCode.NOT_FOUND


async def test_ids_of_any_kind_lead_nowhere_else(shelf: Shelf) -> None:
    media_id = (await shelf.write(await shelf.ticket())).storage_ref[-32:]
    (shelf.root / "secret").write_bytes(b"key")
    for session, media in (
        ("s", f"{media_id}.meta"),
        ("..", "secret"),
        (".", "secret"),
        ("s/../s", media_id),
        ("S", media_id),
        (".uploads", media_id),
        ("s", "../secret"),
        ("s", f"{media_id}\0"),
    ):
        asked = shelf.library.download(session, media, ANN)
        assert await refusal(asked) is MediaErrorCode.NOT_FOUND
    for upload in ("../secret", "upl-" + "0" * 32 + ".done", "upl-" + "0" * 32, "", "\0"):
        opened = shelf.uploads.open(upload, ANN)
        assert await refusal(opened) is MediaErrorCode.NOT_FOUND


async def test_a_folder_that_is_a_symbolic_link_is_not_written_to(
    shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (shelf.root / folder_name("s")).symlink_to(outside)
    assert await refusal(shelf.ticket()) is MediaErrorCode.STORAGE_FAILED
    assert not [path.name for path in outside.iterdir()]


HEADERS = st.dictionaries(
    st.sampled_from(["Range", "If-Range", "If-None-Match"]),
    st.text() | st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True) | st.just('"tag"'),
)


@given(HEADERS, st.integers(1, 200))
def test_a_range_never_leaves_the_file(headers: dict[str, str], size: int) -> None:
    chosen = select("GET", headers, '"tag"', size)
    assert chosen.status in (200, 206, 304, 416)
    assert chosen.start >= 0
    assert chosen.start + chosen.length <= size
    if chosen.status == 200:
        assert chosen.length == size
    assert (chosen.length > 0) == (chosen.status in (200, 206))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_disposition_is_one_line_of_ascii_with_one_quoted_name(filename: str) -> None:
    header = content_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert "/" not in header
    assert "\\" not in header
