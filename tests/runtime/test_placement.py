"""The folder with the versions of a PromptPack, as the runtime reads it."""

import json
from pathlib import Path

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack
from omnia_core.files.placement import Placement, folder_content, place
from omnia_runtime.prompts.pack_versions import pack_files, read_packs

CANARY = Placement("1.0.0", "2.0.0", 50)
OLD = "0.9.0"


def text(version: str) -> str:
    prompt = {"id": "a", "name": "A", "version": version, "system_template": f"I am {version}."}
    return json.dumps(
        {
            "id": "p",
            "name": "P",
            "version": version,
            "template_engine": {"version": "v1", "syntax": "{{variable}}"},
            "prompts": {"a": prompt},
        }
    )


def folder(path: Path, placement: Placement, **changed: str) -> str:
    packs = {version: text(version) for version in (OLD, "1.0.0", "2.0.0")}
    for name, content in {**folder_content(placement, packs), **changed}.items():
        (path / name).write_text(content)
    return str(path)


def begun_with(version: str) -> str:
    """Return a session that the canary places on a version."""
    sessions = map(str, range(1000))
    return next(each for each in sessions if place(each, CANARY) == version)


def test_new_sessions_are_placed_by_their_id(tmp_path: Path) -> None:
    packs = read_packs(folder(tmp_path, CANARY))
    assert packs.version_for(begun_with("1.0.0"), "") == "1.0.0"
    assert packs.version_for(begun_with("2.0.0"), "") == "2.0.0"
    assert packs.stable.prompts["a"].system_template == "I am 1.0.0."
    assert packs.problems == ()


@pytest.mark.parametrize("version", [OLD, "1.0.0", "2.0.0"])
def test_a_session_stays_on_the_version_that_it_began_with(tmp_path: Path, version: str) -> None:
    packs = read_packs(folder(tmp_path, CANARY))
    for each in map(str, range(50)):
        assert packs.version_for(each, version) == version


def test_the_folder_names_the_version_whatever_the_pack_says(tmp_path: Path) -> None:
    other = {"1.0.0.json": text("7.7.7")}
    packs = read_packs(folder(tmp_path, CANARY, **other))
    assert packs.stable.version == "1.0.0"
    assert packs.stable.prompts["a"].system_template == "I am 7.7.7."


def test_a_session_whose_version_is_gone_is_placed_anew(tmp_path: Path) -> None:
    packs = read_packs(folder(tmp_path, CANARY))
    assert packs.version_for(begun_with("1.0.0"), "0.1.0") == "1.0.0"
    assert packs.version_for(begun_with("2.0.0"), "0.1.0") == "2.0.0"


def test_no_session_is_placed_on_a_broken_candidate(tmp_path: Path) -> None:
    broken = {"2.0.0.json": "{"}
    packs = read_packs(folder(tmp_path, CANARY, **broken))
    assert packs.version_for(begun_with("2.0.0"), "") == "1.0.0"
    assert packs.version_for(begun_with("2.0.0"), "2.0.0") == "1.0.0"
    [problem] = packs.problems
    assert "2.0.0.json is not JSON" in problem


def test_a_candidate_without_a_file_is_a_problem_too(tmp_path: Path) -> None:
    path = folder(tmp_path, CANARY)
    (tmp_path / "2.0.0.json").unlink()
    packs = read_packs(path)
    assert packs.version_for(begun_with("2.0.0"), "") == "1.0.0"
    [problem] = packs.problems
    assert "2.0.0.json cannot be read" in problem


def test_nothing_is_usable_without_a_stable_version(tmp_path: Path) -> None:
    path = folder(tmp_path, CANARY)
    (tmp_path / "1.0.0.json").unlink()
    with pytest.raises(ConfigurationError, match=r"1\.0\.0\.json cannot be read"):
        read_packs(path)


def test_a_folder_without_a_placement_is_no_pack(tmp_path: Path) -> None:
    (tmp_path / "1.0.0.json").write_text(text("1.0.0"))
    with pytest.raises(ConfigurationError, match=r"placement\.json cannot be read"):
        read_packs(str(tmp_path))


def test_a_single_file_is_one_version(tmp_path: Path) -> None:
    file = tmp_path / "pack.json"
    file.write_text(text("3.1.0"))
    packs = read_packs(str(file))
    assert packs.version_for("any", "") == "3.1.0"
    assert packs.version_for("any", "1.0.0") == "3.1.0"
    assert pack_files(str(file)) == [file]


def test_a_version_that_cannot_be_compiled_cannot_be_used(tmp_path: Path) -> None:
    def greeting(pack: Pack) -> str:
        if pack.version == bad:
            raise ConfigurationError("no greeting")
        return pack.prompts["a"].system_template

    broken = {"0.9.0.json": "{"}
    packs = read_packs(folder(tmp_path, CANARY, **broken))
    bad = "2.0.0"
    built = packs.map(greeting)
    assert built.packs == {"1.0.0": "I am 1.0.0."}
    assert built.version_for(begun_with("2.0.0"), "") == "1.0.0"
    assert [problem.split()[1] for problem in built.problems] == [OLD, "2.0.0"]
    bad = "1.0.0"
    with pytest.raises(ConfigurationError, match="no greeting"):
        packs.map(greeting)


def test_the_files_to_watch_are_those_that_are_read(tmp_path: Path) -> None:
    path = folder(tmp_path, CANARY)
    (tmp_path / "..data").mkdir()
    (tmp_path / "notes.txt").write_text("")
    names = [each.name for each in pack_files(path)]
    assert names == ["placement.json", "0.9.0.json", "1.0.0.json", "2.0.0.json"]
