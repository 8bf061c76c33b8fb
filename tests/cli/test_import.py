"""`omnia import`: the manifests and the report of each source, and input of strangers."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from omnia_cli.__main__ import app
from omnia_cli.findings import errors
from omnia_cli.importing.command import Imported, import_paths
from omnia_cli.importing.inputs import Options
from omnia_cli.importing.output import OutputFailed, write
from omnia_cli.importing.yaml_writer import render
from omnia_cli.manifests import ManifestError
from omnia_cli.placeholders import STILL
from omnia_cli.validate import validate

CASES = Path(__file__).parent / "imports"
FLAGS = {
    "expected": Options(),
    "expected-own": Options(own_servers=True),
    "expected-operations": Options(operations=True),
    "expected-sub-agents": Options(sub_agents=True),
    "expected-share": Options(share=True),
}
OUTPUTS = sorted(CASES.glob("*/expected*"))
SECRET = "s3cr3t-Never-Written"


def inputs_of(case: Path) -> list[Path]:
    return sorted(path for path in case.iterdir() if path.is_file())


def imported(text: str, folder: Path, name: str = "input.yaml", **options: Any) -> Imported:
    (folder / name).write_text(text)
    return import_paths([folder / name], Options(**options))


@pytest.mark.parametrize("expected", OUTPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_each_case_becomes_the_expected_manifests_and_report(
    expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(expected.parent)
    paths = [Path(path.name) for path in inputs_of(expected.parent)]
    made = import_paths(paths, FLAGS[expected.name])
    wanted = {path.name: path.read_text() for path in expected.glob("*.yaml")}
    assert made.files == wanted
    assert "".join(f"{note}\n" for note in made.notes) == (expected / "report.txt").read_text()


@pytest.mark.parametrize("expected", OUTPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_is_written_validates_but_for_named_placeholders(expected: Path) -> None:
    for finding in errors(validate([expected], references=False)):
        assert finding.message.startswith(STILL), finding


def test_a_placeholder_is_named_with_what_belongs_there() -> None:
    found = errors(validate([CASES / "02-kagent-mcp-tools" / "expected"], references=True))
    assert [(finding.line, finding.path, finding.message) for finding in found] == [
        (8, "spec.model", f"{STILL}, replace-me: write the model, spelt as the vendor spells it"),
        (
            10,
            "spec.secretRef.name",
            f"{STILL}, replace-me: write the Secret that holds the API key",
        ),
    ]


def test_the_command_writes_files_reports_lines_and_tells_by_its_code(tmp_path: Path) -> None:
    output = tmp_path / "shop"
    done = run("import", str(CASES / "02-kagent-mcp-tools" / "input.yaml"), "-o", str(output))
    assert done.exit_code == 3
    assert [path.name for path in output.iterdir()] == ["shop.yaml"]
    assert "input.yaml:34: asked: Agent shop/order-desk" in done.stderr
    assert f"next: omnia validate {output}" in done.stderr
    again = run("import", str(CASES / "01-kagent-declarative"), "-o", str(output))
    assert again.exit_code == 1
    assert "shop.yaml is there already and would be replaced" in again.stderr
    forced = run(
        "import", str(CASES / "01-kagent-declarative" / "input.yaml"), "-o", str(output), "--force"
    )
    assert forced.exit_code == 0, forced.stderr
    assert run("validate", str(output)).exit_code == 0


def test_each_line_of_the_report_may_be_json_and_strict_ends_with_1(tmp_path: Path) -> None:
    case = CASES / "05-kagent-agents-as-tools" / "input.yaml"
    done = run("import", str(case), "-o", str(tmp_path / "out"), "--json", "--strict")
    assert done.exit_code == 1
    notes = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert {note["class"] for note in notes} == {"asked", "no equivalent yet"}
    assert {"kind", "namespace", "name", "path", "class", "message", "file", "line"} <= set(
        notes[0]
    )


def test_a_helm_template_is_named_as_one(tmp_path: Path) -> None:
    text = 'apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata:\n  {{ include "x" . }}\n'
    with pytest.raises(ManifestError, match=r"input.yaml:\d: this is a Helm template: render it"):
        imported(text, tmp_path)


def test_nothing_to_import_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nothing to import: expected manifests of kagent"):
        imported("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", tmp_path)


def test_standard_input_is_read(tmp_path: Path) -> None:
    text = (CASES / "01-kagent-declarative" / "input.yaml").read_text()
    done = run("import", "-", "-o", str(tmp_path / "out"), said=text)
    assert (done.exit_code, (tmp_path / "out" / "shop.yaml").exists()) == (0, True)


def test_a_link_in_the_folder_is_replaced_and_never_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.yaml", tmp_path / "out"
    outside.write_text("mine")
    folder.mkdir()
    (folder / "shop.yaml").symlink_to(outside)
    with pytest.raises(OutputFailed):
        write(folder, {"shop.yaml": "ours"}, force=False)
    write(folder, {"shop.yaml": "ours"}, force=True)
    assert outside.read_text() == "mine"
    assert (folder / "shop.yaml").read_text() == "ours"


def test_a_namespace_that_is_a_path_stays_in_the_folder(tmp_path: Path) -> None:
    text = (CASES / "01-kagent-declarative" / "input.yaml").read_text()
    made = imported(text.replace("namespace: shop", "namespace: ../../etc/shop"), tmp_path)
    assert set(made.files) == {"etc-shop.yaml"}


def test_two_objects_of_one_name_are_told(tmp_path: Path) -> None:
    text = (CASES / "01-kagent-declarative" / "input.yaml").read_text()
    _, _, agent = text.partition("---")
    other = agent.replace("name: greeter", "name: Greeter").replace("You greet", "You meet")
    made = imported(f"{text}---{other}", tmp_path)
    assert [note.message for note in made.notes if note.kind == "skipped"] == [
        "another AgentRuntime has the name greeter: rename one"
    ]


def test_objects_of_ours_are_copied_as_they_are(tmp_path: Path) -> None:
    own = CASES / "01-kagent-declarative" / "expected" / "shop.yaml"
    made = import_paths([own], Options())
    assert documents(made.files["shop.yaml"]) == documents(own.read_text())
    assert made.notes == []


def test_comments_and_commas_of_an_editors_file_are_read(tmp_path: Path) -> None:
    text = '// mine\n{"servers": {"a": {"url": "https://a.example.com/mcp", /* x */ },},}\n'
    made = imported(text, tmp_path, "mcp.json")
    (registry,) = documents(made.files["tools.yaml"])
    assert registry["spec"]["handlers"][0]["mcpConfig"]["endpoint"] == "https://a.example.com/mcp"


def test_values_of_secrets_are_never_written(tmp_path: Path) -> None:
    agent = f"""
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: shop}}
stringData: {{OPENAI_API_KEY: {SECRET}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: env, namespace: shop}}
data: {{API_TOKEN: {SECRET}, MODE: day}}
---
apiVersion: kagent.dev/v1alpha2
kind: ModelConfig
metadata: {{name: m, namespace: shop}}
spec:
  provider: AzureOpenAI
  model: x
  apiKeySecret: keys
  apiKeySecretKey: OPENAI_API_KEY
  defaultHeaders: {{X-Api-Key: {SECRET}}}
  azureOpenAI: {{azureEndpoint: "https://a.example.com", azureAdToken: {SECRET}}}
---
apiVersion: kagent.dev/v1alpha2
kind: RemoteMCPServer
metadata: {{name: s, namespace: shop}}
spec:
  url: https://user:{SECRET}@s.example.com/mcp?token={SECRET}
  headersFrom:
    - {{name: Authorization, value: "Bearer {SECRET}"}}
    - {{name: X-Api-Key, value: {SECRET}}}
---
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata: {{name: a, namespace: shop}}
spec:
  declarative:
    modelConfig: m
    systemMessage: "Never say sk-{SECRET}."
    tools: [{{type: McpServer, mcpServer: {{kind: RemoteMCPServer, name: s}}}}]
    deployment:
      env: [{{name: SHOP_PASSWORD, value: {SECRET}}}]
      envFrom: [{{configMapRef: {{name: env}}}}, {{secretRef: {{name: keys}}}}]
"""
    servers = f"""
{{"mcpServers": {{"a": {{"command": "x", "args": ["--api-key", "{SECRET}", "--token={SECRET}"],
  "env": {{"A_TOKEN": "{SECRET}"}}}}, "b": {{"url": "https://b.example.com", "headers":
  {{"Authorization": "Bearer {SECRET}", "X-Secret": "{SECRET}"}}}}}}}}
"""
    for name, text in (("input.yaml", agent), ("mcp.json", servers)):
        made = imported(text, tmp_path, name)
        assert made.files
        for written in (*made.files.values(), *map(str, made.notes)):
            assert SECRET not in written
        assert made.findings == []


def test_options_choose_rounds_and_tools_that_need_approval(tmp_path: Path) -> None:
    case = CASES / "02-kagent-mcp-tools" / "input.yaml"
    made = import_paths([case], Options(rounds=25, keep_approved=True))
    _, registry, agent = documents(made.files["shop.yaml"])
    assert agent["spec"]["prompt"]["toolPolicy"] == {"maxRounds": 25, "maxToolCallsPerTurn": 100}
    allowed = registry["spec"]["handlers"][0]["mcpConfig"]["toolFilter"]["allowlist"]
    assert allowed == ["find_order", "refund_order"]


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths_in(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths_in(inner, (*path, index))


STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, -1, 10**30, 1.5, float("inf"), "", "../../x", "{{", "a" * 300, "yes"),
        *("line\nbreak\t ", "\x85\ufeff", "replace-me", "0x1f", "https://[", "${A}", "x y"),
        *("{{range .ToolNames}}", "-----BEGIN PRIVATE KEY-----", [], {}, [None, [[]], {"a": 1}]),
        {"name": {"name": []}},
    ]
)
LOADED = {
    case.name: [
        (path.name, [each for each in yaml.safe_load_all(path.read_text()) if each])
        for path in inputs_of(case)
    ]
    for case in sorted(CASES.iterdir())
    if case.is_dir()
}


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_change_of_a_good_input_ends_with_manifests_or_a_message(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = data.draw(st.sampled_from(sorted(LOADED)))
    folder = tmp_path_factory.mktemp("import")
    paths = []
    for name, objects in copy.deepcopy(LOADED[case]):
        for _ in range(data.draw(st.integers(0, 3))):
            place = data.draw(st.sampled_from(list(paths_in(objects))[1:] or [(0,)]))
            holder: Any = objects
            for step in place[:-1]:
                holder = holder[step]
            if data.draw(st.booleans()):
                holder[place[-1]] = data.draw(STRANGE)
            else:
                del holder[place[-1]]
            if not objects:
                break
        paths.append(folder / Path(name).with_suffix(".yaml").name)
        paths[-1].write_text(yaml.safe_dump_all(objects, allow_unicode=True))
    options = data.draw(st.sampled_from(list(FLAGS.values())))
    try:
        made = import_paths(paths, options)
    except ManifestError:
        return
    # The content of a ConfigMap is copied as it is.
    assert [each for each in made.findings if not each.object.startswith("ConfigMap/")] == []
    assert made == import_paths(paths, options)
    write(folder / "out", made.files, force=False)
    assert {path.name for path in folder.iterdir()} <= {*(path.name for path in paths), "out"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(value=st.dictionaries(st.text(), JSON, min_size=1, max_size=4))
def test_written_yaml_is_read_as_the_same_value(value: dict[str, Any]) -> None:
    assert yaml.safe_load(render(value)) == value


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def run(*arguments: str, said: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=said)
