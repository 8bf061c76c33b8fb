"""The cluster that KUBECONFIG names: taken as it is, never started, ended or filled with images."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.build import SERVERS, build, program
from tests.cluster.harness.commands import succeeds
from tests.cluster.harness.console import say
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.images import Buildah, Docker
from tests.cluster.harness.kind import helm
from tests.cluster.harness.paths import Layout


@dataclass(frozen=True)
class GivenCluster:
    """Somebody's cluster, whose nodes have the images or can pull them."""

    layout: Layout
    kubeconfig: Path

    @property
    def description(self) -> str:
        """What this is."""
        return f"the cluster that KUBECONFIG names ({self.kubeconfig})"

    @property
    def kubectl(self) -> Path:
        """The machine's kubectl, or one that is built here."""
        if found := shutil.which("kubectl"):
            return Path(found)
        build(self.layout, SERVERS)
        return program(self.layout, "kubectl")

    @property
    def helm(self) -> Path:
        """The machine's Helm, or ours."""
        return helm(self.layout)

    @property
    def builder(self) -> Buildah | Docker:
        """What builds images for it."""
        return Docker() if shutil.which("docker") else Buildah(self.layout)

    def up(self) -> None:
        """Check that it answers.

        Raises:
            HarnessError: it does not.
        """
        if not self.answers():
            raise HarnessError(f"{self.description} does not answer")

    def down(self) -> None:
        """Leave it alone."""
        say(f"  {self.description} is not ours: left running")

    def status(self) -> bool:
        """Print and tell whether it answers."""
        answers = self.answers()
        say(f"  {self.description} {'answers' if answers else 'does not answer'}")
        return answers

    def answers(self) -> bool:
        """Tell whether the API server answers."""
        return succeeds(self.kubectl, f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz")

    def load(self, images: list[str]) -> list[str]:
        """Say that the images must be there."""
        say(f"  {', '.join(images)}: must be on the nodes of {self.description}")
        return []
