"""`omnia init`: a folder that is valid under names of its own, from every example."""

from pathlib import Path

import pytest

from omnia_cli.findings import errors
from omnia_cli.init import InitFailed, examples, init
from omnia_cli.sources import load
from omnia_cli.validate import validate

EXAMPLES = sorted(each.name for each in examples().iterdir() if each.is_dir())


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_folder_is_valid_and_shares_no_name_with_its_example(
    example: str, tmp_path: Path
) -> None:
    folder = init("mine", example, tmp_path)
    assert errors(validate([folder], references=True)) == []
    made, source = load([folder]), load([examples() / example])
    assert [document.kind for document in made] == [document.kind for document in source]
    names = {document.name for document in made}
    assert not names & {document.name for document in source}
    agents = [document.name for document in made if document.kind == "AgentRuntime"]
    assert agents[0] == "mine"
    assert all(name == "mine" or name.startswith("mine-") for name in names)
    assert example not in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["", "Mine", "1st", "a_b", "-a", "a-", "a" * 41, "../up", "a/b"])
def test_a_name_that_no_agent_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InitFailed, match="cannot be the name of an agent"):
        init(name, "hello-agent", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(InitFailed, match="is not empty"):
        init("mine", "hello-agent", tmp_path)
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_an_unknown_example_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InitFailed, match=r'no example "chat"; there are: .*hello-agent'):
        init("mine", "chat", tmp_path)
