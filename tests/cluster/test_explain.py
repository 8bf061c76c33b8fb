"""`omnia explain` of an agent of a real cluster, through a real kubectl."""

import os
import subprocess
import sys

import pytest

from tests.cluster.agents import everything, here
from tests.cluster.harness.waiting import SECONDS, eventually
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")


def explained(kubectl: Kubectl, *words: str) -> str:
    command = [sys.executable, "-m", "omnia_cli", "explain", *words, "-n", kubectl.namespace]
    path = f"{kubectl.program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(kubectl.kubeconfig)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout + done.stderr


def test_a_missing_key_is_explained_with_the_command_that_creates_it(kubectl: Kubectl) -> None:
    provider = {"type": "openai", "model": "gpt", "secretRef": {"name": "absent"}}
    kubectl.apply(*everything({})[:3])
    kubectl.apply(here(objects.provider(provider)))
    command = f"kubectl create secret generic absent -n {kubectl.namespace}"

    def told() -> None:
        assert command in explained(kubectl, "agentruntime/helper")

    eventually(told)
