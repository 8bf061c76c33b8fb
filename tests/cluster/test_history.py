"""On a real cluster `omnia sessions --namespace` finds the history that the chart installs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chart.rendering import Renderer
from tests.cluster.harness.deploy import image_values
from tests.cluster.harness.waiting import SECONDS, eventually
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("omnia")

# Nothing listens there: an answer that says so has passed every door before the database.
NO_DATABASE = "postgresql://127.0.0.1:1/none"


def install(renderer: Renderer, kubectl: Kubectl) -> None:
    """Install the history of the namespace, in the namespace."""
    database = {"secretName": "history"}
    history = {"enabled": True, "namespace": kubectl.namespace, "database": database}
    made = renderer({**image_values(), "history": history}, namespace=kubectl.namespace)
    labels = ("metadata", "labels", "app.kubernetes.io/name")
    kubectl("create", "secret", "generic", "history", f"--from-literal=url={NO_DATABASE}")
    kubectl.apply(
        *(each for each in made if each[labels[0]][labels[1]].get(labels[2]) == "omnia-history")
    )
    kubectl.wait_rollout("omnia-history")


def sessions(kubectl: Kubectl, folder: Path, *arguments: str) -> str:
    """Return what `omnia sessions list` prints, which fails."""
    program = folder / "kubectl"
    if not program.exists():
        program.symlink_to(kubectl.program)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "omnia_cli", "sessions", "list", *arguments],
        env={**os.environ, "PATH": path, "KUBECONFIG": str(kubectl.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_sessions_of_a_namespace_are_read_through_kubectl(
    renderer: Renderer, kubectl: Kubectl, tmp_path: Path
) -> None:
    none = sessions(kubectl, tmp_path, "-n", kubectl.namespace)
    assert f'the cluster has no history of the namespace "{kubectl.namespace}"' in none

    install(renderer, kubectl)

    def found() -> None:
        said = sessions(kubectl, tmp_path, "-n", kubectl.namespace)
        assert "HTTP 503: the database cannot" in said

    eventually(found)
    elsewhere = kubectl("create", "token", "default", "--audience=omnia://elsewhere/history")
    token = ("--token", elsewhere.strip())

    def refused() -> None:
        said = sessions(kubectl, tmp_path, "-n", kubectl.namespace, *token)
        assert said.startswith("HTTP 401: ")
        assert f"expected omnia://{kubectl.namespace}/history" in said

    eventually(refused)
