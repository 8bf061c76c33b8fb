"""Names of uploads, and where they lie."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.media import META, MediaRecord, StorageRef, find, folder_name, is_session_id

MEDIA_ID = "0" * 31 + "f"
SESSION_IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True)


@given(SESSION_IDS)
def test_every_session_has_a_folder_of_its_own_and_no_other_path(session_id: str) -> None:
    name = folder_name(session_id)
    assert name == os.path.basename(name)  # noqa: PTH119 - of a text
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert len(name.encode()) <= 255


@given(SESSION_IDS, SESSION_IDS)
def test_two_sessions_never_share_a_folder_even_where_case_does_not_count(
    one: str, other: str
) -> None:
    same = folder_name(one).lower() == folder_name(other).lower()
    assert same == (one == other)


@given(SESSION_IDS, st.from_regex(r"[0-9a-f]{32}", fullmatch=True))
def test_a_reference_is_read_as_it_is_written(session_id: str, media_id: str) -> None:
    ref = StorageRef.of(session_id, media_id)
    assert StorageRef.parse(str(ref)) == ref


@given(st.text(), st.text())
def test_what_is_no_id_makes_no_reference(session_id: str, media_id: str) -> None:
    try:
        ref = StorageRef.of(session_id, media_id)
    except ValueError:
        return
    assert (ref.session_id, ref.media_id) == (session_id, media_id)
    assert is_session_id(session_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "omnia://sessions/s/media/",
        f"omnia://sessions//media/{MEDIA_ID}",
        f"omnia://sessions/../x/media/{MEDIA_ID}",
        f"omnia://sessions/s/media/{MEDIA_ID}.meta",
        f"omnia://sessions/s/media/{MEDIA_ID}\n",
        f"omnia://sessions/s/media/{MEDIA_ID.upper()}",
        f"https://sessions/s/media/{MEDIA_ID}",
    ],
)
def test_a_text_that_is_no_reference_is_told_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected \"omnia://sessions/<session_id>"):
        StorageRef.parse(text)


class Volume:
    """A volume with one file of the session `s`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "s"
        self.folder.mkdir()
        self.file = self.folder / MEDIA_ID
        self.meta = self.folder / (MEDIA_ID + META)
        self.ref = StorageRef("s", MEDIA_ID)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.record = MediaRecord("s", MEDIA_ID, "a.txt", "text/plain", 5, "", moment, moment)
        self.file.write_bytes(b"bytes")
        self.meta.write_bytes(msgspec.json.encode(self.record))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def test_a_file_is_found_with_its_record(volume: Volume) -> None:
    found = find(volume.root, volume.ref)
    assert found
    record, descriptor = found
    with os.fdopen(descriptor, "rb") as file:
        assert file.read() == b"bytes"
    assert record == volume.record


def test_nothing_is_found_through_symbolic_links(volume: Volume, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    volume.file.unlink()
    volume.file.symlink_to(secret)
    found = find(volume.root, volume.ref)
    assert found is not None
    assert found[1] == -1
    real = volume.meta.rename(volume.folder / "elsewhere")
    volume.meta.symlink_to(real)
    assert find(volume.root, volume.ref) is None
    moved = volume.folder.rename(tmp_path / "moved")
    volume.folder.symlink_to(moved)
    assert find(volume.root, volume.ref) is None


def test_what_is_no_file_is_not_waited_for(volume: Volume) -> None:
    volume.file.unlink()
    os.mkfifo(volume.file)
    found = find(volume.root, volume.ref)
    assert found is not None
    assert found[1] == -1


def test_a_record_of_another_session_or_none_at_all_is_not_believed(volume: Volume) -> None:
    other = msgspec.structs.replace(volume.record, session_id="t")
    volume.meta.write_bytes(msgspec.json.encode(other))
    assert find(volume.root, volume.ref) is None
    volume.meta.write_bytes(b"{}")
    assert find(volume.root, volume.ref) is None
    volume.meta.unlink()
    assert find(volume.root, volume.ref) is None
