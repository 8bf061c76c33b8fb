"""A cluster by kind, for machines with Docker."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.build import HELM, build, program
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.console import say, step
from tests.cluster.harness.errors import MissingPart
from tests.cluster.harness.images import Buildah, Docker
from tests.cluster.harness.paths import Layout

NAME = "omnia"


def path_of(program_name: str, install: str) -> Path:
    """Find a program of the machine.

    Raises:
        MissingPart: it is not there.
    """
    found = shutil.which(program_name)
    if found is None:
        raise MissingPart(f"{program_name} is not on this machine; {install}")
    return Path(found)


def helm(layout: Layout) -> Path:
    """Return the machine's Helm, or one that is built here.

    Raises:
        MissingPart: there is neither Helm nor Go.
    """
    if found := shutil.which("helm"):
        return Path(found)
    build(layout, HELM)
    return program(layout, "helm")


@dataclass(frozen=True)
class KindCluster:
    """Kubernetes in a container."""

    layout: Layout

    @staticmethod
    def possible() -> bool:
        """Tell whether kind and a Docker daemon are here."""
        return shutil.which("kind") is not None and succeeds("docker", "info")

    @property
    def description(self) -> str:
        """What this is."""
        return f"the kind cluster {NAME}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.admin_kubeconfig

    @property
    def kubectl(self) -> Path:
        """The machine's kubectl."""
        return path_of("kubectl", "install it as Kubernetes' documentation says")

    @property
    def helm(self) -> Path:
        """The machine's Helm, or ours."""
        return helm(self.layout)

    @property
    def builder(self) -> Buildah | Docker:
        """What builds its images."""
        return Docker()

    def up(self) -> None:
        """Create the cluster, unless it is there."""
        if self.answers():
            return
        self.layout.kubeconfigs.mkdir(parents=True, exist_ok=True)
        with step("kind create cluster"):
            run(
                *("kind", "create", "cluster", f"--name={NAME}", "--wait=120s"),
                f"--kubeconfig={self.kubeconfig}",
                seconds=900,
            )

    def down(self) -> None:
        """Delete the cluster."""
        with step("kind delete cluster"):
            run("kind", "delete", "cluster", f"--name={NAME}", seconds=300)
        shutil.rmtree(self.layout.run, ignore_errors=True)

    def status(self) -> bool:
        """Print and tell whether it answers."""
        answers = self.answers()
        say(f"  {self.description} {'answers' if answers else 'does not answer'}")
        return answers

    def answers(self) -> bool:
        """Tell whether the API server answers."""
        return self.kubeconfig.exists() and succeeds(
            self.kubectl, f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz"
        )

    def load(self, images: list[str]) -> list[str]:
        """Bring images into the cluster."""
        run("kind", "load", "docker-image", f"--name={NAME}", *images, seconds=600)
        return images
