"""Reading manifests as kubectl does, with the line of every value."""

import re
from pathlib import Path

import pytest

from omnia_cli.findings import unreadable
from omnia_cli.manifests import ManifestError, load, load_file, manifest_files


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_folder_is_read_without_its_subfolders(tmp_path: Path) -> None:
    write(tmp_path, "b.yml", "")
    write(tmp_path, "a.yaml", "")
    write(tmp_path, "c.json", "")
    write(tmp_path, "README.md", "")
    write(tmp_path, "call/input.json", "")
    assert [file.name for file in manifest_files([tmp_path])] == ["a.yaml", "b.yml", "c.json"]


def test_each_value_has_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "a.yaml",
        "# first\n"
        "---\n"
        "kind: A\n"
        "metadata: {name: one}\n"
        "---\n"
        "kind: B\n"
        "metadata:\n"
        "  name: two\n"
        "  namespace: there\n"
        "spec:\n"
        "  list:\n"
        "    - x: 1\n"
        "    - x: 2\n",
    )
    one, two = load_file(file)
    assert (one.title, one.line(("metadata", "name"))) == ("A/one", 4)
    assert two.title == "B/there/two"
    assert two.line(("spec", "list", 1, "x")) == 13
    assert two.line(("spec", "list", 1, "missing", "deeper")) == 13


def test_the_items_of_a_list_stand_for_themselves(tmp_path: Path) -> None:
    text = "kind: List\nitems:\n- kind: A\n  metadata:\n    name: one\n"
    (document,) = load_file(write(tmp_path, "a.yaml", text))
    assert (document.title, document.line(("metadata", "name"))) == ("A/one", 5)


def test_values_are_those_that_kubernetes_reads(tmp_path: Path) -> None:
    text = (
        "kind: A\ndate: 2026-01-02\nyes: yes\nbase: &b {x: 1}\nmerged: {<<: *b, y: 2}\n'5': 0o7\n"
    )
    (document,) = load_file(write(tmp_path, "a.yaml", text))
    assert document.value["date"] == "2026-01-02"
    assert document.value["merged"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a: [\n", 2, "neither JSON nor YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, '"a" appears twice'),
        ("a: 1\n---\n- 1\n", 3, "expected an object"),
        ("a: !!python/object:os.system {}\n", 1, "is not supported"),
        ("a: 1\nb: " + "[" * 60_000, 2, "nested deeper than 200 levels"),
        ("[" * 60_000, 1, "nested deeper than 200 levels"),
        ("a: &a [*a]", 1, "is inside the value that it repeats"),
        ("just words\n", 1, "expected an object"),
    ],
)
def test_what_is_no_manifest_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, expected: str
) -> None:
    file = write(tmp_path, "a.yaml", text)
    with pytest.raises(ManifestError) as caught:
        load([file])
    assert caught.value.line == line
    assert expected in caught.value.message


def test_a_path_without_manifests_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no file ending in") as empty:
        load([tmp_path])
    with pytest.raises(ManifestError, match="no such file") as missing:
        load([tmp_path / "nothing"])
    # What is about no line names none.
    assert str(empty.value).startswith(f"{tmp_path}: the folder has")
    assert str(missing.value).startswith(f"{tmp_path}/nothing: there is no")


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        ("a: 1\nb: Größe\n".encode("latin-1"), 2, "save it with this encoding"),
        ("a: 1\n".encode("utf-16"), 1, "save it with this encoding"),
        (b"# " + b"x" * (16 << 20), None, "cannot be read: larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_named_without_words_of_the_machine(
    tmp_path: Path, content: bytes, line: int | None, expected: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    with pytest.raises(ManifestError, match=expected) as refused:
        load_file(file)
    assert refused.value.line == line
    assert not re.search("codec|Errno", str(refused.value))


def test_a_folder_without_manifests_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"`omnia init`$"):
        manifest_files([tmp_path])
    write(tmp_path, "Agent.YAML", "")
    with pytest.raises(ManifestError, match=r"rename Agent\.YAML"):
        manifest_files([tmp_path])


def test_the_line_of_a_finding_is_one_line_and_has_no_empty_part() -> None:
    error = ManifestError(Path("my\nagent.yaml"), 1, "wrong")
    assert str(unreadable(error)) == "my␊agent.yaml:1: error: my␊agent.yaml: wrong"
    assert str(unreadable(ManifestError(Path(), 1, "wrong"))) == ".:1: error: wrong"
