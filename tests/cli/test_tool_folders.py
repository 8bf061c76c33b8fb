"""A folder of tools in Python as objects."""

from pathlib import Path

import pytest
import yaml
from kubernetes_validate import validate as kubernetes_validate  # type: ignore[import-untyped]

from omnia_cli.findings import errors
from omnia_cli.folders.tool_server import read_tool_folder, tool_objects
from omnia_cli.local.desired import desired
from omnia_cli.manifests import ManifestError
from omnia_cli.sources import load, source_files
from omnia_cli.validate import validate
from omnia_operator import api
from omnia_operator.plan import Settings

TOOL = 'from omnia_tools import tool\n\n@tool\ndef f() -> str:\n    """F."""\n    return ""\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/toolserver.yaml").write_text("name: shop-tools\n")
    (tmp_path / "tools/shop.py").write_text(TOOL)
    (tmp_path / "tools/logo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "agent.yaml").write_text(
        "apiVersion: omnia.altairalabs.ai/v1alpha1\nkind: AgentRuntime\n"
        "metadata: {name: shop, namespace: n}\n"
        "spec: {prompt: {system: Hi.}, provider: {type: mock},"
        " toolRegistryRef: {name: shop-tools}}\n"
    )
    return tmp_path


def test_the_objects_are_those_of_a_cluster(folder: Path) -> None:
    objects = tool_objects(read_tool_folder(folder / "tools"), image="registry.example/r:1")
    config_map, deployment, service, registry = objects
    for each in (config_map, deployment, service):
        kubernetes_validate(each, "1.34", strict=True)
    assert api.findings(registry) == []
    assert list(config_map["data"]) == ["shop.py"]
    assert list(config_map["binaryData"]) == ["logo.png"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/r:1"
    assert str(folder) not in yaml.safe_dump_all(objects)


def test_an_agent_finds_the_tools_by_the_name_of_the_server(folder: Path) -> None:
    assert errors(validate([folder], references=True)) == []
    documents = load([folder])
    outcome = desired(documents, {}, Settings())
    assert outcome.problems == {}
    assert folder / "tools/shop.py" in source_files([folder])


def test_a_secret_of_a_tool_may_be_a_variable_of_the_environment(folder: Path) -> None:
    text = "name: shop-tools\nenv:\n- name: KEY\n  valueFrom: {secretKeyRef: {name: s, key: KEY}}\n"
    (folder / "tools/toolserver.yaml").write_text(text)
    outcome = desired(load([folder]), {"KEY": "k"}, Settings())
    assert outcome.objects.secret(("n", "s"), "KEY") == "k"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("nam: x\n", 1, "name"),
        ("name: Shop\n", 1, "name"),
        ("name: x\nimge: y\n", 2, "unknown field imge; did you mean image?"),
        ("name: x\ntimeout: 5\n", 2, 'write a unit, such as "5s"'),
        ("name: [\n", 2, "neither JSON nor YAML"),
        ("- name\n", 1, "expected fields"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_remedy(
    folder: Path, text: str, line: int, said: str
) -> None:
    (folder / "tools/toolserver.yaml").write_text(text)
    with pytest.raises(ManifestError, match=rf"toolserver\.yaml:{line}: ") as caught:
        read_tool_folder(folder / "tools")
    assert said in str(caught.value)


def test_a_folder_without_python_or_too_large_for_a_config_map_is_refused(folder: Path) -> None:
    (folder / "tools/large.bin").write_bytes(b"x" * (1 << 20))
    with pytest.raises(ManifestError, match="a ConfigMap holds 1020 KiB"):
        read_tool_folder(folder / "tools")
    for each in ("large.bin", "shop.py"):
        (folder / "tools" / each).unlink()
    with pytest.raises(ManifestError, match="there is no Python file"):
        read_tool_folder(folder / "tools")
