"""The signature of files: what counts as a change, and what does not."""

import os
from pathlib import Path

import pytest

from omnia_core.files.changes import signature


class MountedConfigMap:
    """A volume as the kubelet writes it: each file is a link through `..data`, which is swapped."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._updates = 0

    def update(self, **files: str) -> None:
        self._updates += 1
        data = self._root / f"..2026_{self._updates}"
        data.mkdir()
        for name, content in files.items():
            (data / name).write_text(content)
            # The modification time says nothing: a new volume may carry the old one.
            os.utime(data / name, (1, 1))
            if not (self._root / name).is_symlink():
                (self._root / name).symlink_to(Path("..data") / name)
        link = self._root / "..data_tmp"
        link.symlink_to(data.name)
        link.replace(self._root / "..data")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    os.utime(path, (1, 1))
    return path


def test_an_unchanged_file_keeps_its_signature(file: Path) -> None:
    assert signature([file]) == signature([file])


@pytest.mark.parametrize("content", ["another size", "two"])
def test_a_file_that_is_written_in_place_has_changed(file: Path, content: str) -> None:
    before = signature([file])
    file.write_text(content)

    assert signature([file]) != before


def test_a_file_that_is_replaced_has_changed_though_size_and_time_are_the_same(file: Path) -> None:
    before = signature([file])
    new = file.with_name("new")
    new.write_text("two")
    os.utime(new, (1, 1))
    new.replace(file)

    assert signature([file]) != before


def test_a_file_that_comes_or_goes_has_changed(file: Path) -> None:
    before = signature([file])
    file.unlink()
    absent = signature([file])
    file.write_text("one")

    assert absent != before
    assert signature([file]) != absent


def test_the_swapped_link_of_a_config_map_is_a_change_of_its_file_and_of_its_folder(
    tmp_path: Path,
) -> None:
    volume = MountedConfigMap(tmp_path)
    volume.update(key="one")
    file, folder = signature([tmp_path / "key"]), signature([tmp_path])
    volume.update(key="two")

    assert signature([tmp_path / "key"]) != file
    assert signature([tmp_path]) != folder


def test_a_folder_has_changed_when_a_file_in_it_has(tmp_path: Path, file: Path) -> None:
    before = signature([tmp_path])
    file.write_text("two")

    assert signature([tmp_path]) != before


def test_a_folder_has_changed_when_it_has_another_file(tmp_path: Path, file: Path) -> None:
    before = signature([tmp_path])
    file.with_name("another").touch()

    assert signature([tmp_path]) != before


def test_the_order_of_paths_tells_files_apart(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other"
    other.write_text("one")

    assert signature([file, other]) != signature([other, file])
