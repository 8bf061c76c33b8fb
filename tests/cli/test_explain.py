"""`omnia explain`: from condition to cause to the command, in manifests and in a cluster."""

import json
import stat
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from omnia_cli.__main__ import app
from omnia_cli.explain.chain import StatedCondition, Subject, in_cluster, lines, subject_of
from omnia_cli.explain.kinds import UnknownKind, kind_and_name
from omnia_cli.explain.laptop import NoObject, explain_manifests
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.cluster.kinds import AGENT_RUNTIME
from tests.operator import objects
from tests.operator.cluster import FakeCluster, everything

OPENAI: JsonObject = {"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}}
MANIFEST = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {name: desk}
spec:
  prompt: {system: Be kind.}
  providers:
    - name: default
      providerRef: {name: model}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: model}
spec:
  type: openai
  model: gpt
  secretRef: {name: keys, key: OPENAI_API_KEY}
"""


async def test_a_missing_secret_is_the_cause_and_the_command_creates_it() -> None:
    cluster = FakeCluster(*everything()[:3], objects.provider(OPENAI))
    await cluster.settle()
    (agent,) = await cluster.find(AGENT_RUNTIME, "default")
    found = in_cluster(subject_of(agent))
    (cause,) = found.causes
    assert (cause.condition, cause.reason) == ("ProviderReady", "SecretNotFound")
    assert cause.command == (
        "kubectl create secret generic keys -n default --from-literal=OPENAI_API_KEY=VALUE"
    )
    assert found.effects[0] == "DeploymentReady is False (DeploymentPending)"


def test_it_is_one_screen_of_80_columns() -> None:
    subject = Subject(
        "AgentRuntime",
        "shop",
        "desk",
        "Pending",
        (
            StatedCondition("Ready", "False", "RuntimeNotReady", "x" * 500),
            *(
                StatedCondition(f"Condition{number}", "False", "Odd", "it does not hold, " * 60)
                for number in range(9)
            ),
        ),
    )
    printed = list(lines(in_cluster(subject)))
    assert len(printed) <= 30
    assert all(len(line) <= 80 for line in printed if not line.lstrip().startswith("$"))


def test_a_grant_adds_to_the_namespaces_that_are_there() -> None:
    message = (
        'Provider "main" of namespace "models" may not be used from namespace "shop": add "shop"'
        " to its spec.allowedNamespaces"
    )
    agent = Subject(
        "AgentRuntime", "shop", "desk", "Pending",
        (StatedCondition("ProviderReady", "False", "ProviderNotGranted", message),),
    )  # fmt: skip
    provider = Subject("Provider", "models", "main", spec={"allowedNamespaces": ["desk"]})
    command = in_cluster(agent, [provider]).causes[0].command
    assert command.startswith("kubectl patch providers main -n models --type=merge -p ")
    patch = json.loads(command.split("-p ")[1].strip("'"))
    assert patch == {"spec": {"allowedNamespaces": ["desk", "shop"]}}


def test_servers_that_are_away_are_told_of_an_agent_that_runs() -> None:
    agent = Subject(
        "AgentRuntime",
        "shop",
        "desk",
        "Running",
        (StatedCondition("Ready", "True", "RuntimeReady"),),
    )
    registry = Subject(
        "ToolRegistry", "shop", "tools", "Degraded",
        (StatedCondition("ToolsDiscovered", "False", "ServersUnavailable", "weather is away"),),
    )  # fmt: skip
    found = in_cluster(agent, [registry])
    assert [cause.subject for cause in found.causes] == ["toolregistry/tools"]
    assert in_cluster(agent).ready


def test_an_object_without_a_status_waits_for_the_operator() -> None:
    found = in_cluster(Subject("Provider", "shop", "main"))
    assert "has not written a status" in found.note


def test_kinds_have_the_names_that_kubectl_takes() -> None:
    for text in ("agentruntime/a", "agent/a", "agentruntimes/a", "AgentRuntime/a"):
        assert kind_and_name(text) == (Kind.AGENT_RUNTIME, "a")
    for text in ("a", "pod/a", "agentruntime/"):
        with pytest.raises(UnknownKind, match="expected KIND/NAME"):
            kind_and_name(text)


def test_in_manifests_a_missing_key_is_a_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(MANIFEST)
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    found = explain_manifests(Kind.AGENT_RUNTIME, "desk", [tmp_path], environ)
    assert [cause.command for cause in found.causes] == ["export OPENAI_API_KEY=VALUE"]
    keyed = {**environ, "OPENAI_API_KEY": "k"}
    found = explain_manifests(Kind.AGENT_RUNTIME, "desk", [tmp_path], keyed)
    assert (found.state, found.causes) == ("valid", ())
    assert found.note.startswith("it does not run: omnia up")


def test_in_manifests_an_error_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(MANIFEST.replace("name: model}\n---", "name: modle}\n---"))
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    found = explain_manifests(Kind.AGENT_RUNTIME, "desk", [tmp_path], environ)
    assert found.state == "cannot run"
    assert found.causes[0].command == f"$EDITOR +6 {tmp_path}/desk.yaml"
    with pytest.raises(NoObject, match="there are: desk"):
        explain_manifests(Kind.AGENT_RUNTIME, "dsek", [tmp_path], environ)


KUBECTL = """\
#!{python}
import json, sys
if "agentruntime.omnia.altairalabs.ai" in sys.argv and "desk" in sys.argv:
    print(json.dumps({agent!r}))
else:
    sys.exit("Error from server (NotFound): it is not there")
"""


def test_the_command_asks_kubectl_and_its_code_tells_whether_it_is_ready(tmp_path: Path) -> None:
    message = "the key is not there"
    condition = {"type": "ProviderReady", "status": "False", "reason": "Odd", "message": message}
    agent = {
        "kind": "AgentRuntime",
        "metadata": {"name": "desk", "namespace": "shop"},
        "spec": {"providers": [{"name": "default", "providerRef": {"name": "gone"}}]},
        "status": {"phase": "Pending", "conditions": [condition]},
    }
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, agent=agent))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    runner = CliRunner(env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    done = runner.invoke(app, ["explain", "agent/desk", "-n", "shop"])
    assert done.exit_code == 1
    assert "kubectl describe agentruntime/desk -n shop" in done.stdout
    done = runner.invoke(app, ["explain", "agent/other", "-n", "shop"])
    assert done.exit_code == 1
    assert 'agentruntime/other of the namespace "shop" cannot be read' in done.stderr
