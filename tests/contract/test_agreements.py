"""What several files must agree on."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from omnia_core.env.reference import render
from tests.contract.packages import PACKAGES, ROOT

PROTOS = ("runtime/v1/runtime", "tools/v1/tools")


def sources() -> list[Path]:
    """Every Python file of the packages."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def test_environment_variables_are_named_only_in_the_contracts() -> None:
    stray = [
        str(file.relative_to(ROOT))
        for file in sources()
        if ROOT / "omnia_core/env" not in file.parents and '"OMNIA_' in file.read_text()
    ]
    assert stray == []


def test_the_environment_is_read_only_by_the_programs() -> None:
    stray = [
        str(file.relative_to(ROOT))
        for file in sources()
        if file.name != "__main__.py" and re.search(r"os\.(environ|getenv)", file.read_text())
    ]
    assert stray == []


@pytest.mark.parametrize("proto", PROTOS)
def test_the_stubs_are_what_make_protos_writes(proto: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc"),
                *("-Iomnia_core/wire=protos/omnia", f"--python_out={folder}"),
                *(f"--pyi_out={folder}", f"--grpc_python_out={folder}"),
                f"omnia_core/wire/{proto}.proto",
            ],
            cwd=ROOT,
            check=True,
        )
        for suffix in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py"):
            name = f"omnia_core/wire/{proto}{suffix}"
            assert (ROOT / name).read_text() == (Path(folder) / name).read_text(), (
                f"{name} is stale: run `make protos`"
            )


def test_the_imports_are_as_architecture_md_draws_them() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()


def test_the_environment_page_is_what_make_crds_writes() -> None:
    page = (ROOT / "docs/reference/environment.md").read_text()
    assert page == render(), "docs/reference/environment.md is stale: run `make crds`"


def test_the_requirement_files_name_no_address() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|--index-url|--find-links|file:", file.read_text()), file


def test_every_example_is_a_folder_with_a_readme_and_objects_of_its_name() -> None:
    for folder in sorted((ROOT / "examples").iterdir()):
        assert (folder / "README.md").is_file()
        documents = [
            document
            for file in sorted(folder.glob("*.yaml"))
            for document in yaml.safe_load_all(file.read_text())
        ]
        agents = [each for each in documents if each["kind"] == "AgentRuntime"]
        names = [each["metadata"]["name"] for each in agents]
        assert names[0] == folder.name
        assert all(name.startswith(f"{folder.name}-") for name in names[1:])


def test_the_first_agent_has_at_most_twelve_lines() -> None:
    assert len((ROOT / "examples/hello-agent/agent.yaml").read_text().splitlines()) <= 12
