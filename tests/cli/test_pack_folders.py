"""PromptPacks as folders: compiled, written as files, and what is wrong with them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnia_cli.composed import compose
from omnia_cli.findings import errors
from omnia_cli.folders.pack import PackFolder, pack_files, read_pack_folder
from omnia_cli.folders.pack_objects import for_helm, pack_objects
from omnia_cli.folders.unpack import unpack, yaml_of
from omnia_cli.manifests import ManifestError
from omnia_cli.packs import folder_findings
from omnia_cli.sources import load, source_files
from omnia_cli.validate import validate
from omnia_core.files.pack import parse_pack
from tests.core.whole_pack import WHOLE
from tests.operator.objects import LOADER

ROOT = Path(__file__).parents[2]
PACKS: dict[str, Any] = {"every key of the format": WHOLE}
for _file in sorted(ROOT.glob("examples/**/*.yaml")) + sorted(ROOT.glob("tests/**/data/**/*.yaml")):
    for _found in yaml.load_all(_file.read_text(), LOADER):
        for _key, _text in ((_found or {}).get("data") or {}).items():
            if _key == "pack.json":
                PACKS[f"{_file.relative_to(ROOT)}:{len(PACKS)}"] = json.loads(_text)

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {name: desk, namespace: shop}
spec:
  promptPackRef: {name: desk}
  provider: {type: mock}
"""
PROMPT = """\
---
name: Desk
variables:
  - name: shop
    type: string
    required: true
---

You work for {{shop}}.
{{fragments.tone}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of manifests whose pack is in files."""
    written = {
        "agent.yaml": AGENT,
        "pack/pack.yaml": "id: desk\nname: Desk\nversion: 1.2.0\n",
        "pack/prompts/desk.md": PROMPT,
        "pack/fragments/tone.md": "Be brief.\n",
    }
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", PACKS)
def test_a_folder_that_was_made_of_a_pack_is_the_same_pack(name: str, tmp_path: Path) -> None:
    unpack(PACKS[name], tmp_path / "pack")
    assert json.loads(read_pack_folder(tmp_path / "pack").json()) == PACKS[name]


def test_the_packs_of_the_examples_are_among_them() -> None:
    assert len(PACKS) > 4


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value."""
    found = [path] if path else []
    items: Any = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else items:
        found += places(inner, (*path, key))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_changed_pack_is_the_same_pack_again_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pack: Any = copy.deepcopy(WHOLE)
    *path, last = data.draw(st.sampled_from(places(pack)))
    parent = pack
    for step in path:
        parent = parent[step]
    parent[last] = data.draw(_TEXTS if isinstance(parent[last], str) else _VALUES)
    folder = tmp_path_factory.mktemp("pack") / "pack"
    try:
        unpack(pack, folder)
    except ManifestError:
        return  # what pack.yaml cannot be without, such as the id, was changed
    assert json.loads(read_pack_folder(folder).json()) == pack


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_fault_of_a_changed_file_has_a_line_of_a_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("pack") / "pack"
    unpack(WHOLE, folder)
    file = data.draw(st.sampled_from(pack_files(folder)))
    text = file.read_text()
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 8))
    file.write_text(text[:at] + data.draw(_TEXTS) + text[at + cut :])
    try:
        found = [(each.file, each.line) for each in folder_findings(read_pack_folder(folder))]
    except ManifestError as error:
        found = [(str(error.file), error.line)]
    for name, line in found:
        assert Path(name).exists()
        # One about the file as a whole has none.
        assert 1 <= (line or 1) <= len(Path(name).read_text().split("\n")) + 1


def test_the_folder_stands_for_the_pack_of_the_agent(folder: Path) -> None:
    assert errors(validate([folder], references=True)) == []
    kinds = [(each.kind, each.key) for each in load([folder])]
    assert kinds == [
        ("AgentRuntime", ("shop", "desk")),
        ("ConfigMap", ("shop", "desk")),
        ("PromptPack", ("shop", "desk")),
    ]
    assert folder / "pack/prompts/desk.md" in source_files([folder])


def test_a_manifest_takes_precedence_over_the_folder(folder: Path) -> None:
    own, pack = pack_objects(read_pack_folder(folder / "pack"), "shop")
    pack["spec"]["version"] = "9.9.9"
    (folder / "own.yaml").write_text(yaml_of(pack))
    (found,) = [each for each in load([folder]) if each.kind == "PromptPack"]
    assert found.value["spec"]["version"] == "9.9.9"
    assert own["metadata"] == {"name": "desk", "namespace": "shop"}


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "said"),
    [
        ("prompts/desk.md", "\n---\n\n", "\n", 1, "has no end: add a line ---"),
        ("prompts/desk.md", "name: Desk", "name: [", 4, "neither JSON nor YAML"),
        ("prompts/desk.md", "name: Desk", "nam: Desk", 2, 'did you mean "name"'),
        ("prompts/desk.md", "required: true", "required: 1", 6, "expected true or false, found 1"),
        ("prompts/desk.md", "{{fragments.tone}}", "{{fragments.ton}}", 10, "the pack has: tone"),
        ("prompts/desk.md", "{{shop}}", "{{shop|upper}}", 9, "is not a placeholder"),
        ("prompts/desk.md", "{{shop}}", "{{shpo}}", 9, "{{shpo}} is not declared"),
        ("prompts/desk.md", "You work for {{shop}}.\n{{fragments.tone}}\n", "", 9, "has no text"),
        ("prompts/desk.md", "name: Desk", "system_template: x", 2, "remove this field, or"),
        ("fragments/tone.md", "Be", "---\nBe", 1, "a fragment has no front matter"),
        ("fragments/tone.md", "Be", "\nBe {{", 1, ""),
        ("fragments/tone.md", "Be", "\nBe {{a b}}", 2, "is not a placeholder"),
        ("pack.yaml", "id: desk", "id: Desk", 1, "the field id is the name of the PromptPack"),
        ("pack.yaml", "version: 1.2.0", "version: 1.2", 3, "as text, found 1.2"),
        ("pack.yaml", "name: Desk", "name: Desk\nprompts: {desk: {}}", 3, "remove one of them"),
        ("pack.yaml", "id: desk\nname: Desk\nversion: 1.2.0", "- id", 1, "expected fields"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_remedy(
    folder: Path, name: str, old: str, new: str, line: int, said: str
) -> None:
    file = folder / "pack" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    found = [str(each) for each in messages(folder / "pack")]
    if said:
        assert any(each.startswith(f"{file}:{line}: ") and said in each for each in found), found


def messages(folder: Path) -> list[str]:
    """Return what `omnia pack build` says about a folder."""
    try:
        return [str(each) for each in folder_findings(read_pack_folder(folder))]
    except ManifestError as error:
        return [str(error)]


def test_only_markdown_is_among_the_prompts(folder: Path) -> None:
    (folder / "pack/prompts/.desk.md.swp").write_bytes(b"\xff")
    assert messages(folder / "pack") == []
    (folder / "pack/prompts/more.txt").write_text("x")
    assert "expected files that end in .md" in messages(folder / "pack")[0]


def test_a_file_of_windows_is_the_same_prompt(folder: Path) -> None:
    before = read_pack_folder(folder / "pack").value
    file = folder / "pack/prompts/desk.md"
    file.write_bytes(b"\xef\xbb\xbf" + PROMPT.replace("\n", "\r\n").encode())
    assert read_pack_folder(folder / "pack").value == before


def test_a_text_that_is_not_utf_8_is_refused_with_its_line(folder: Path) -> None:
    (folder / "pack/fragments/tone.md").write_bytes(b"one\ntwo \xff\n")
    assert "tone.md:2: this is not UTF-8" in messages(folder / "pack")[0]


def test_a_config_map_holds_what_kubectl_applies(folder: Path) -> None:
    pack = read_pack_folder(folder / "pack")
    config_map, resource = yaml.safe_load_all("---\n".join(map(yaml_of, pack_objects(pack))))
    assert json.loads(config_map["data"]["pack.json"]) == pack.value
    assert resource["spec"]["source"]["configMapRef"] == {"name": "desk", "key": "pack.json"}
    assert "namespace" not in config_map["metadata"]


def test_a_pack_that_no_config_map_holds_is_refused(folder: Path) -> None:
    (folder / "pack/fragments/long.md").write_text("x" * (1 << 20))
    with pytest.raises(ManifestError, match="shorten or divide it"):
        pack_objects(read_pack_folder(folder / "pack"))


def test_an_action_of_helm_never_begins_in_the_text() -> None:
    assert for_helm("a {{b}} {{{c") == 'a {{ "{{" }}b}} {{ "{{" }}{c'


def shown(folder: PackFolder, **given: str) -> tuple[str, list[str]]:
    composed = compose(parse_pack(folder.json()), "default", given)
    return composed.text, composed.problems


def test_a_composed_prompt_has_its_values_and_what_is_missing(folder: Path) -> None:
    pack = read_pack_folder(folder / "pack")
    assert shown(pack, shop="{{fragments.tone}}") == (
        "You work for {{fragments.tone}}.\nBe brief.",
        [],
    )
    text, problems = shown(pack)
    assert text.startswith("You work for {{shop}}.")
    assert problems == ['the variable "shop" has no value: set it']
    _, problems = shown(pack, shop="x", hsop="y")
    assert problems == ['the variable "hsop" is not one of the prompt; it has: shop']
