"""The room for uploads, of a user and of the volume: what takes it, and what gives it back."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from omnia_core.units import ByteSize
from omnia_facade.auth.principal import ANONYMOUS
from omnia_facade.media.policy import TICKET_LIFETIME
from omnia_facade.media.port import MediaErrorCode, MediaFailed
from omnia_facade.media.sweep import REMEMBERED
from omnia_facade.media.usage import FILE_BYTES, VolumeLimits, VolumeUsage
from tests.facade.media_bed import PICTURE, Caller, serving, serving_users
from tests.facade.media_shelf import BEN, SECOND, TTL, Shelf, refusal

SIZE = 1000
ROOM = SIZE + FILE_BYTES


def shelf_for(root: Path, *, files: float, of_user: float = 1e6) -> Shelf:
    """Return a pod whose volume has room for so many files of `SIZE` bytes."""
    return Shelf(root, VolumeLimits(int(files * ROOM), int(of_user * ROOM)))


async def test_a_volume_has_room_for_so_many_bytes_of_all_sessions(tmp_path: Path) -> None:
    shelf = shelf_for(tmp_path, files=3)
    for number in range(3):
        await shelf.ticket(f"s{number}", SIZE)
    with pytest.raises(MediaFailed, match=f"limit of {3 * ROOM} bytes; upload again") as refused:
        await shelf.ticket("another", 1)
    assert refused.value.code is MediaErrorCode.STORAGE_FULL
    # Nothing is left of a session that got no room.
    assert "another" not in shelf.names()


async def test_a_user_has_room_for_so_many_bytes_and_others_have_theirs(tmp_path: Path) -> None:
    shelf = shelf_for(tmp_path, files=5, of_user=2)
    for number in range(2):
        await shelf.ticket(f"s{number}", SIZE)
    with pytest.raises(MediaFailed, match=f"this user would take .*limit is {2 * ROOM}"):
        await shelf.ticket("s2", SIZE)
    await shelf.ticket("bens", SIZE, BEN)
    # Who is not known is not one user.
    for number in range(2):
        await shelf.ticket(f"open{number}", SIZE, ANONYMOUS)
    assert await refusal(shelf.ticket("open2", SIZE, ANONYMOUS)) is MediaErrorCode.STORAGE_FULL


async def test_what_is_refused_takes_no_room(tmp_path: Path) -> None:
    shelf = shelf_for(tmp_path, files=2)
    await shelf.ticket("s", SIZE)
    for _ in range(5):
        assert await refusal(shelf.ticket("s", SIZE, BEN)) is MediaErrorCode.NOT_FOUND
    uploads = (tmp_path / ".uploads").rename(tmp_path / "moved")
    assert await refusal(shelf.ticket("s", SIZE)) is MediaErrorCode.STORAGE_FAILED
    uploads.rename(tmp_path / ".uploads")
    await shelf.ticket("s", SIZE)


async def test_expired_files_give_their_room_back(tmp_path: Path) -> None:
    shelf = shelf_for(tmp_path, files=1)
    await shelf.write(await shelf.ticket("s", SIZE), b"x" * SIZE)
    for _ in range(3):
        shelf.sweep()
        assert await refusal(shelf.ticket("t", SIZE)) is MediaErrorCode.STORAGE_FULL
    shelf.now += TTL
    shelf.sweep()
    await shelf.ticket("t", SIZE)


async def test_an_upload_that_never_came_gives_its_bytes_back_and_then_the_rest(
    tmp_path: Path,
) -> None:
    shelf = shelf_for(tmp_path, files=1)
    await shelf.ticket("s", SIZE)
    shelf.now += TICKET_LIFETIME
    shelf.sweep()
    # Its ticket is still on the disk.
    assert await refusal(shelf.ticket("t", SIZE)) is MediaErrorCode.STORAGE_FULL
    shelf.age(TICKET_LIFETIME + REMEMBERED + SECOND)
    shelf.sweep()
    await shelf.ticket("t", SIZE)


async def test_bytes_that_a_crash_has_left_take_room(tmp_path: Path) -> None:
    shelf = shelf_for(tmp_path, files=2)
    left = tmp_path / ".uploads" / f"upl-{'0' * 32}.1.part"
    left.write_bytes(b"x" * (ROOM + 1))
    shelf.age(TICKET_LIFETIME + SECOND)
    shelf.sweep()
    assert await refusal(shelf.ticket("s", SIZE)) is MediaErrorCode.STORAGE_FULL
    shelf.age(REMEMBERED)
    shelf.sweep()
    await shelf.ticket("s", SIZE)


async def test_a_pod_counts_what_was_there_and_what_other_pods_store(tmp_path: Path) -> None:
    first = shelf_for(tmp_path, files=2, of_user=1)
    await first.write(await first.ticket("s", SIZE), b"x" * SIZE)
    second = shelf_for(tmp_path, files=2, of_user=1)
    second.sweep()
    assert await refusal(second.ticket("s", SIZE)) is MediaErrorCode.STORAGE_FULL
    await second.ticket("t", SIZE, BEN)
    first.sweep()
    assert await refusal(first.ticket("u", SIZE, ANONYMOUS)) is MediaErrorCode.STORAGE_FULL


@pytest.mark.parametrize("visited", [0, 1])
def test_a_file_counts_once_whether_the_round_under_way_visits_it_or_not(visited: int) -> None:
    usage = VolumeUsage(VolumeLimits(2 * ROOM, 2 * ROOM))
    usage.reserve("first", "a", SIZE)
    for visits in (visited, 1, 1):
        for _ in range(visits):
            usage.count("first", "a", SIZE)
        # There is room for one more, and not for two.
        usage.reserve("second", "a", SIZE)
        with pytest.raises(MediaFailed):
            usage.reserve("third", "a", SIZE)
        usage.release("second")
        usage.round_ended()


class Volume(RuleBasedStateMachine):
    """One pod and the files on its volume, in any order of requests, expiries and rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = VolumeLimits(10 * FILE_BYTES, 6 * FILE_BYTES)
        self.usage = VolumeUsage(self.limits)
        self.files: dict[str, tuple[str, int]] = {}
        self.visited: set[str] = set()
        self.number = 0

    @rule(user=st.sampled_from(["", "a", "b"]), size=st.integers(0, 40_000))
    def reserve(self, user: str, size: int) -> None:
        self.number += 1
        with suppress(MediaFailed):
            self.usage.reserve(str(self.number), user, size)
            self.files[str(self.number)] = (user, size)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), fails=st.booleans())
    def remove(self, data: st.DataObject, *, fails: bool) -> None:
        media_id = data.draw(st.sampled_from(sorted(self.files)))
        if fails:
            self.usage.release(media_id)
        del self.files[media_id]

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def visit(self, data: st.DataObject) -> None:
        self._visit(data.draw(st.sampled_from(sorted(self.files))))

    @rule()
    def end_round(self) -> None:
        for media_id in self.files:
            self._visit(media_id)
        self.visited.clear()
        self.usage.round_ended()

    @invariant()
    def limits_are_kept(self) -> None:
        taken = Counter[str]()
        for user, size in self.files.values():
            taken[user] += size + FILE_BYTES
        assert taken.total() <= self.limits.volume
        assert max(taken["a"], taken["b"]) <= self.limits.user

    def teardown(self) -> None:
        self.files.clear()
        for _ in range(3):
            self.end_round()
        self.usage.reserve("last", "a", self.limits.user - FILE_BYTES)

    def _visit(self, media_id: str) -> None:
        if media_id not in self.visited:
            self.visited.add(media_id)
            self.usage.count(media_id, *self.files[media_id])


class TestVolume(Volume.TestCase):  # type: ignore[misc,valid-type] # hypothesis makes it
    """Files never exceed the limits, and all room comes back."""


async def test_a_client_is_told_that_there_is_no_room(tmp_path: Path) -> None:
    limits = {
        "media_max_volume_size": ByteSize(3 * (FILE_BYTES + len(PICTURE))),
        "media_max_user_size": ByteSize(2 * (FILE_BYTES + len(PICTURE))),
    }
    async with serving_users(tmp_path, tmp_path / "media", **limits) as facade:
        ann, ben = Caller(facade, "ann"), Caller(facade, "ben")
        for session in ("s1", "s2"):
            assert (await ann.request(session)).status == 200
        of_user = await ann.request("s3")
        assert (await ben.request("b1")).status == 200
        of_volume = await ben.request("b2")
    for refused, whose in ((of_user, "this user"), (of_volume, "all users")):
        assert (refused.status, refused.body["error"]) == (507, "storage_full")
        assert whose in refused.body["detail"]


async def test_without_limits_a_user_has_half_of_the_volume(tmp_path: Path) -> None:
    volume = ByteSize(4 * (FILE_BYTES + 10 * (1 << 20)))
    async with serving(tmp_path / "media", media_max_volume_size=volume) as facade:
        anyone = Caller(facade)
        statuses = [
            (await anyone.request(f"s{number}", size_bytes=10 * (1 << 20))).status
            for number in range(5)
        ]
    assert statuses == [200, 200, 200, 200, 507]
