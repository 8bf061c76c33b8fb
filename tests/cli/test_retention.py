"""SessionRetentionPolicies among manifests: what is wrong with them, and what they do here."""

from pathlib import Path

import pytest

from omnia_cli.findings import Finding
from omnia_cli.local.agent import AgentPorts, Machine, localise
from omnia_cli.local.desired import desired
from omnia_cli.local.objects import Addresses
from omnia_cli.local.process import ProcessSpec
from omnia_cli.manifests import load
from omnia_cli.validate import validate
from omnia_operator.plan import Settings

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: helper
spec:
  prompt:
    system: Be kind.
  provider:
    type: mock
"""
POLICY = """\
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: SessionRetentionPolicy
metadata:
  name: retention
spec:
  ttlAfterInactive: 1h
"""


def written(folder: Path, *texts: str) -> Path:
    file = folder / "all.yaml"
    file.write_text("".join(texts))
    return file


def check(folder: Path, *texts: str) -> list[tuple[int | None, str, str, str]]:
    def told(each: Finding) -> tuple[int | None, str, str, str]:
        return each.line, each.severity, each.path, each.message

    return [told(each) for each in validate([written(folder, *texts)], references=True)]


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "words"),
    [
        ("ttlAfterInactive: 1h", "ttlAfterInactiv: 1h", 16, "spec.ttlAfterInactiv", "did you mean"),
        ("ttlAfterInactive: 1h", "ttlAfterInactive: 1d", 16, "spec.ttlAfterInactive", '"1h30m"'),
        ("ttlAfterInactive: 1h", "retentionDays: 0", 16, "spec.retentionDays", "at least 1"),
        ("ttlAfterInactive: 1h", "dryRun: true", 15, "spec", "add at least one of"),
        ("ttlAfterInactive: 1h", "maxMessagesPerSession: 1", 16, "spec.maxMessages", "at least 2"),
        ("RetentionPolicy", "RetentionPolcy", 12, "kind", "did you mean SessionRetentionPolicy?"),
    ],
)
def test_a_fault_of_a_policy_is_found_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, path: str, words: str
) -> None:
    assert old in POLICY
    (found,) = check(tmp_path, AGENT, POLICY.replace(old, new))
    assert found[:2] == (line, "error")
    assert found[2].startswith(path)
    assert words in found[3]


def test_a_whole_policy_has_no_findings(tmp_path: Path) -> None:
    assert check(tmp_path, AGENT, POLICY, "  maxMessagesPerSession: 100\n  dryRun: true\n") == []


def test_the_second_policy_of_a_namespace_is_a_warning(tmp_path: Path) -> None:
    second = POLICY.replace("name: retention", "name: second")
    elsewhere = second.replace("name: second", "name: second\n  namespace: elsewhere")

    (found,) = check(tmp_path, AGENT, POLICY, second, elsewhere)
    assert found[:3] == (21, "warning", "metadata.name")
    assert 'namespace "default" has SessionRetentionPolicy "retention" too' in found[3]


def test_days_that_no_store_keeps_are_a_warning(tmp_path: Path) -> None:
    days = "  retentionDays: 30\n"
    postgres = "  session:\n    type: postgres\n    storeRef:\n      name: store\n"

    (found,) = check(tmp_path, AGENT, POLICY, days)
    assert found[:3] == (17, "warning", "spec.retentionDays")
    assert "for helper retentionDays" in found[3]
    findings = check(tmp_path, AGENT, postgres, POLICY, days)
    assert "spec.retentionDays" not in {each[2] for each in findings}
    sqlite = "  session:\n    type: sqlite\n    persistentVolumeClaim: {claimName: files}\n"
    assert check(tmp_path, AGENT, sqlite, POLICY, days) == []
    (local,) = check(tmp_path, AGENT, "  session:\n    type: sqlite\n")
    assert local[1:3] == ("warning", "spec.session")
    assert "only `omnia up` runs this agent: sessions in SQLite are a file" in local[3]
    echo = AGENT.replace("spec:", "spec:\n  facade:\n    type: websocket\n    handler: echo")
    assert check(tmp_path, echo, POLICY, days) == []


def test_a_variable_that_overrides_a_policy_is_a_warning(tmp_path: Path) -> None:
    own = "  runtime:\n    extraEnv:\n      - name: OMNIA_SESSION_TTL\n        value: 99h\n"

    (found,) = check(tmp_path, AGENT, own, POLICY)
    assert found[:3] == (12, "warning", "spec.runtime.extraEnv[0].name")
    assert found[3].startswith('OMNIA_SESSION_TTL overrides SessionRetentionPolicy "retention"')
    elsewhere = POLICY.replace("name: retention", "name: retention\n  namespace: elsewhere")
    assert check(tmp_path, AGENT, own, elsewhere) == []


def processes(folder: Path, *texts: str) -> list[ProcessSpec]:
    wanted = desired(load([written(folder, *texts)]), {}, Settings())
    (plan,) = wanted.plans.values()
    machine = Machine(folder, wanted.objects, Addresses(), {})
    return list(localise(plan, AgentPorts(1, 2, 3, 4), machine).processes)


def test_a_policy_among_the_manifests_is_in_force_here(tmp_path: Path) -> None:
    facade, runtime = processes(tmp_path, AGENT, POLICY, "  maxMessagesPerSession: 9\n")
    assert runtime.environment["OMNIA_SESSION_TTL"] == "1h"
    assert runtime.environment["OMNIA_RETENTION_TTL"] == "1h"
    assert runtime.environment["OMNIA_RETENTION_MAX_MESSAGES"] == "9"

    elsewhere = POLICY.replace("name: retention", "name: retention\n  namespace: elsewhere")
    _, plain = processes(tmp_path, AGENT, elsewhere)
    assert plain.environment["OMNIA_SESSION_TTL"] == "24h"
    assert "OMNIA_RETENTION_TTL" not in plain.environment
    assert not facade.restarts(processes(tmp_path, AGENT)[0])


def test_a_policy_that_is_edited_restarts_the_runtime(tmp_path: Path) -> None:
    _, before = processes(tmp_path, AGENT, POLICY)
    _, same = processes(tmp_path, POLICY.removeprefix("---\n"), "---\n", AGENT)
    _, after = processes(tmp_path, AGENT, POLICY.replace("1h", "2h"))
    _, without = processes(tmp_path, AGENT)

    assert not before.restarts(same)
    assert before.restarts(after)
    assert before.restarts(without)
