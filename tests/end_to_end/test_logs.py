"""`omnia logs`: what the programs of `omnia up` printed."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import LIMIT, OMNIA, Example, Start

TOOL_FAILED = "tool call failed"


def logs(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*OMNIA, "logs", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        env=environment,
    )


def test_lines_are_printed_by_name_followed_and_gone_with_omnia_up(
    start: Start, example: Example, environment: dict[str, str]
) -> None:
    up = start(example("support-agent"))
    up.wait("serving")
    following = subprocess.Popen(
        [*OMNIA, "logs", "-f", "support-agent"],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )
    asked = subprocess.run(
        [*OMNIA, "chat", "support-agent", "Where is order Z-9?"],
        env=environment,
        check=False,
        capture_output=True,
        timeout=LIMIT,
    )
    assert asked.returncode == 0, asked
    # The line may come after the answer.
    assert following.stdout
    while TOOL_FAILED not in following.stdout.readline():
        assert following.poll() is None

    of_all = logs(environment)
    of_agent = logs(environment, "support-agent")
    of_nobody = logs(environment, "nobody")

    assert of_all.returncode == of_agent.returncode == 0
    assert "[support-agent/runtime]" in of_all.stdout
    assert "[support-agent/facade]" in of_agent.stdout
    (failed,) = [line for line in of_agent.stdout.splitlines() if TOOL_FAILED in line]
    assert "there is no order Z-9" in failed
    assert {line.split("/")[0] for line in of_agent.stdout.splitlines()} == {"[support-agent"}
    assert (of_nobody.returncode, of_nobody.stdout) == (1, "")
    assert "running: support-agent" in of_nobody.stderr

    up.stop(signal.SIGINT)
    following.communicate(timeout=LIMIT)
    assert following.returncode == 0
    state = Path(environment["XDG_STATE_HOME"]) / "omnia" / "running"
    assert list(state.glob("*.log*")) == []


@pytest.mark.parametrize("arguments", [[], ["agent", "-f"]])
def test_those_of_a_cluster_are_printed_by_kubectl(
    tmp_path: Path, environment: dict[str, str], arguments: list[str]
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    kubectl.chmod(0o755)
    found = logs({**environment, "PATH": f"{tmp_path}:/usr/bin:/bin"}, "-n", "shop", *arguments)
    assert found.returncode == 3
    said = found.stdout.split()
    selector = "--selector=app.kubernetes.io/name=omnia-agent"
    if arguments:
        selector += ",app.kubernetes.io/instance=agent"
    assert said[0] == "logs"
    assert {selector, "--namespace=shop", "--all-containers"} <= set(said)
    assert ("--follow" in said) is bool(arguments)
