"""On a real cluster `omnia open -n` serves the console of a namespace through kubectl."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import everything, ready, rolled_out
from tests.cluster.harness.waiting import SECONDS, becomes, eventually
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")


@contextlib.contextmanager
def console(kubectl: Kubectl, folder: Path) -> Iterator[str]:
    """Run the command; yield the address that it prints."""
    program = folder / "kubectl"
    program.symlink_to(kubectl.program)
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "KUBECONFIG": str(kubectl.kubeconfig),
        "BROWSER": "true",
    }
    command = [sys.executable, "-m", "omnia_cli", "open", "-n", kubectl.namespace]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)
    assert process.returncode == 0


def agents(url: str) -> dict[str, JsonObject]:
    with urllib.request.urlopen(f"{url}hub/agents", timeout=SECONDS) as answer:
        return {each["name"]: each for each in json.load(answer)["agents"]}


def answer_of(url: str, base: str) -> str:
    """Say hello to an agent, and return what it answers."""
    with connect(f"{url.replace('http', 'ws', 1)}{base}ws") as client:
        assert json.loads(client.recv(SECONDS))["type"] == "connected"
        client.send(json.dumps({"type": "message", "content": "hello"}))
        while (frame := json.loads(client.recv(SECONDS)))["type"] != "done":
            assert frame["type"] != "error", frame
        return str(frame["content"])


def test_a_namespace_is_shown_and_talked_to_without_a_token_in_the_browser(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl.apply(*everything({"description": "Answers with one word."}))
    name = objects.agent()["metadata"]["name"]
    ready(kubectl, name)
    with console(kubectl, tmp_path) as url:

        def shown() -> str:
            agent = agents(url)[name]
            assert (agent["state"], agent["description"]) == ("ready", "Answers with one word.")
            return str(agent["base"])

        base = eventually(shown)

        def answers() -> None:
            try:
                assert answer_of(url, base) == "one"
            except WebSocketException as error:
                raise AssertionError(f"no answer: {error!r}") from error

        eventually(answers)

        # A pod that is replaced takes the forwarded port with it.
        kubectl("delete", "pods", "--all", "--wait")
        rolled_out(kubectl, name)
        eventually(answers)

        kubectl("delete", "agentruntime", name)
        becomes(lambda: name in agents(url), expected=False)
