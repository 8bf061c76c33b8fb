"""`omnia rollout` with a kubectl that has one agent, in a file."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omnia_cli.cluster import unreachable
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.rollout.requests import MAX_TEXT, Verb, request_of
from tests.programs import PYTHON

KUBECTL = """\
#!{python} -IS
import json, sys
verb, kind, name, *rest = sys.argv[1:]
file = {file!r}
agent = json.load(open(file))
if verb == "get" and name.startswith("--"):
    there = [agent] if "--namespace=default" in (name, *rest) else []
    print(json.dumps({{"items": there}}))
    sys.exit()
if name != "shop" or kind != "agentruntimes.omnia.altairalabs.ai":
    sys.exit("Error from server (NotFound)")
if verb == "get":
    print(json.dumps(agent))
elif verb == "annotate":
    key, _, value = rest[0].partition("=")
    agent["metadata"].setdefault("annotations", {{}})[key] = value
    json.dump(agent, open(file, "w"))
"""


class Cluster:
    """A kubectl on the PATH, and its agent."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "agent.json"
        self._programs = folder / "bin"
        self._programs.mkdir()
        program = self._programs / "kubectl"
        program.write_text(KUBECTL.format(python=sys.executable, file=str(self._file)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.put(None)

    def put(self, rollout: JsonObject | None) -> None:
        status = {} if rollout is None else {"rollout": rollout}
        self._file.write_text(json.dumps({"metadata": {"name": "shop"}, "status": status}))

    def stop(self) -> None:
        """Let kubectl find no cluster, as without a kubeconfig."""
        refused = "The connection to the server localhost:8080 was refused - did you specify the"
        program = self._programs / "kubectl"
        program.write_text(f"#!/bin/sh\necho '{refused} right host or port?' >&2\nexit 1\n")

    @property
    def agent(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found

    def run(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [PYTHON, "-m", "omnia_cli", "rollout", *arguments],
            env={
                **os.environ,
                "PATH": f"{self._programs}:{os.environ['PATH']}",
                "XDG_STATE_HOME": str(self._file.parent),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


LAST = {"id": "a", "time": "2026-01-01T00:00:00Z", "candidateVersion": "2.0.0"}


@pytest.mark.parametrize(
    ("rollout", "code", "said"),
    [
        (None, 0, "Idle"),
        ({"phase": "Idle", "last": {**LAST, "result": "Promoted"}}, 0, "2.0.0 Promoted"),
        (
            {"phase": "Idle", "last": {**LAST, "result": "RolledBack", "reason": "errors"}},
            1,
            "2.0.0 RolledBack: errors",
        ),
        (
            {
                "phase": "Paused",
                "active": True,
                "step": "2/3",
                "currentWeight": 10,
                "candidateVersion": "2.0.0",
                "message": "a pause without an end",
            },
            3,
            "Paused, step 2/3\n  stable     -\n  candidate  2.0.0, 10 %\n  a pause without an end",
        ),
    ],
)
def test_the_status_and_its_exit_code(
    cluster: Cluster, rollout: JsonObject | None, code: int, said: str
) -> None:
    cluster.put(rollout)
    done, printed = cluster.run("status", "shop")
    assert (done, said in printed) == (code, True), printed


def test_a_candidate_without_a_version_is_told_by_what_differs(cluster: Cluster) -> None:
    sides = {
        side: {"providers": [{"name": "default", "providerRef": {"name": model}}]}
        for side, model in (("stable", "old"), ("candidate", "new"))
    }
    cluster.put({"phase": "Progressing", "active": True, "currentWeight": 50, **sides})
    code, printed = cluster.run("status", "shop")
    assert code == 3
    assert printed.splitlines()[1:] == [
        "  stable     providers default old",
        "  candidate  providers default new, 50 %",
    ]
    last = {"id": "a", "time": "2026-01-01T00:00:00Z", "result": "Promoted"}
    cluster.put({"phase": "Idle", "last": last})
    assert "  last       Promoted, 2026" in cluster.run("status", "shop")[1]


def test_a_watch_ends_in_time(cluster: Cluster) -> None:
    cluster.put({"phase": "Progressing", "active": True})
    assert cluster.run("status", "shop", "--watch", "--timeout", "1ms")[0] == 3
    code, printed = cluster.run("status", "shop", "--watch", "--timeout", "soon")
    assert (code, "--timeout" in printed) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "verb", "reason"),
    [
        (("promote", "shop"), Verb.PROMOTE, ""),
        (("promote", "shop", "--full"), Verb.PROMOTE_FULL, ""),
        (("abort", "shop", "--reason", "too  slow\nfor us"), Verb.ABORT, "too slow for us"),
        (("retry", "shop"), Verb.RETRY, ""),
        (("pause", "shop"), Verb.PAUSE, ""),
    ],
)
def test_what_is_asked_arrives_as_the_operator_reads_it(
    cluster: Cluster, arguments: tuple[str, ...], verb: Verb, reason: str
) -> None:
    code, printed = cluster.run(*arguments)
    assert code == 0, printed
    request = request_of(cluster.agent)
    assert request is not None
    assert (request.verb, request.reason) == (verb, reason)
    cluster.run(*arguments)
    again = request_of(cluster.agent)
    assert again is not None
    assert again.id != request.id, "asked twice is two requests"


def test_an_agent_that_is_not_there_is_told(cluster: Cluster) -> None:
    code, printed = cluster.run("abort", "nobody")
    assert (code, "NotFound" in printed, "Traceback" in printed) == (2, True, False)
    assert "no agent nobody runs here (there: none), and " in printed
    assert "no agent" not in cluster.run("abort", "nobody", "-n", "default")[1]


def test_an_unknown_name_is_told_with_the_agents_of_the_namespace(cluster: Cluster) -> None:
    code, printed = cluster.run("status", "nobody")
    assert code == 2
    assert printed.rstrip().endswith('; the agents of the namespace "default": shop')
    printed = cluster.run("status", "nobody", "-n", "empty")[1]
    assert printed.rstrip().endswith('; the agents of the namespace "empty": none')


def test_a_machine_without_an_agent_and_without_a_cluster_is_told_of_both(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.stop()
    code, printed = cluster.run("status", "nobody")
    assert code == 2
    assert "no agent nobody runs here (there: none), and " in printed
    assert "no cluster answers: set KUBECONFIG, or choose another context of kubectl" in printed
    assert "the agents of" not in printed


def test_the_log_lines_of_kubectl_are_no_part_of_its_error() -> None:
    logged = 'E1201 05:41:20.42 31210 memcache.go:265] "Unhandled Error" err="no server"\n'
    failed = unreachable("shop", "space", logged * 5 + "Error from server: no way\n")
    assert str(failed).endswith("kubectl says: Error from server: no way")
    assert "Unhandled Error" in str(unreachable("shop", "space", logged))


@pytest.mark.parametrize(
    "text", ["", "promote", "approve 1", "PROMOTE 1", 5, None, "x" * 10_000, "promote\n"]
)
def test_an_annotation_that_is_not_understood_asks_for_nothing(text: object) -> None:
    assert request_of({"metadata": {"annotations": {labels.ROLLOUT_REQUEST: text}}}) is None


def test_a_reason_is_bounded() -> None:
    request = request_of(
        {"metadata": {"annotations": {labels.ROLLOUT_REQUEST: "abort 1 " + "x" * 10_000}}}
    )
    assert request is not None
    assert len(request.reason) < MAX_TEXT
