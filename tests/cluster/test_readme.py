"""The README's own lines for a cluster on this machine, and `omnia chat` through a rollout."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnia_operator.labels import INSTANCE
from tests.cluster.agents import everything, pods, ready, rolled_out
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import SECONDS, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.pages import ROOT, Shell

pytestmark = pytest.mark.usefixtures("omnia")
EXAMPLE = ROOT / "examples/support-agent"


@pytest.fixture
def example(cluster_kubectl: Kubectl) -> Iterator[None]:
    """Nothing of the example is left in the cluster's default namespace, before and after."""
    delete = ("delete", "--ignore-not-found", f"--filename={EXAMPLE}", "--timeout=150s")
    cluster_kubectl(*delete)
    yield
    cluster_kubectl(*delete)


@pytest.mark.exclusive
def test_the_readmes_lines_for_this_machine_end_in_a_conversation(
    cluster: Cluster, cluster_kubectl: Kubectl, example: None, tmp_path: Path
) -> None:
    given = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": f"{cluster.kubectl.parent}:{os.environ['PATH']}",
    }
    person = Shell(ROOT, given)
    printed = person.type("README.md", "On this machine", seconds=900)

    ready(cluster_kubectl, "support-agent")
    assert "condition met" in printed


_SILENT = """
import socket, sys
for address in sys.argv[1:]:
    try:
        socket.create_connection((address, 8080), timeout=5)
    except OSError:
        continue
    sys.exit(f"{address} still answers")
"""


class Chat:
    """`omnia chat -n` as a process, with a pipe in place of a person."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, agent: str, log: Path) -> None:
        path = f"{cluster.kubectl.parent}:{os.environ['PATH']}"
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "omnia_cli", "chat", agent, "-n", kubectl.namespace],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)},
            )

    @property
    def printed(self) -> str:
        return self._log.read_text()

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def until(self, text: str) -> None:
        try:
            wait_until(text, lambda: text in self.printed or self.process.poll() is not None)
        except HarnessError as error:
            raise AssertionError(f"{error}\n{self.printed}") from error
        assert text in self.printed, self.printed

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(SECONDS)


def serving(kubectl: Kubectl) -> set[str]:
    """Return the names of the pods that are ready."""
    return {
        pod["metadata"]["name"]
        for pod in kubectl.list("pods", f"{INSTANCE}=helper")
        for condition in pod.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "True"
    }


@pytest.mark.parametrize("forced", [False, True], ids=["rollout", "killed"])
def test_a_chat_through_a_forwarded_port_goes_on_when_the_pod_is_replaced(
    cluster: Cluster, kubectl: Kubectl, redis: str, tmp_path: Path, forced: bool
) -> None:
    kubectl.apply(*everything({"session": {"type": "redis", "storeRef": {"name": redis}}}))
    ready(kubectl, "helper")
    chat = Chat(cluster, kubectl, "helper", tmp_path / "log")
    try:
        chat.type("first")
        chat.until("one")
        before = pods(kubectl)
        if forced:
            old = [each["status"]["podIP"] for each in kubectl.list("pods", f"{INSTANCE}=helper")]
            kubectl("delete", "pod", *before, "--grace-period=0", "--force", "--wait=false")
            wait_until("a new pod serves", lambda: serving(kubectl) - before != set())
            # A message that the old containers still answer is no message that is sent again.
            pod = ("deployment/helper", "--container=facade", "--", "python", "-c", _SILENT)
            eventually(lambda: kubectl("exec", *pod, *old))
        else:
            kubectl("rollout", "restart", "deployment/helper")
            assert not before & rolled_out(kubectl, "helper")
        chat.type("second")
        chat.until("resumed session")
        assert chat.end() == 0, chat.printed
    finally:
        if chat.process.poll() is None:
            chat.process.kill()
        chat.process.communicate()
    printed = chat.printed
    found = re.search(r"^session (\S+)$", printed, re.MULTILINE)
    assert found, printed
    assert f"resumed session {found[1]}\n" in printed
    assert printed.count("tokens out") == 2
    last = f"go on with: omnia chat helper -n {kubectl.namespace} --session {found[1]}\n"
    assert printed.endswith(last)
