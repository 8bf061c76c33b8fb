"""Which cluster the tests get."""

import os
from pathlib import Path
from typing import Protocol

from tests.cluster.harness.given import GivenCluster
from tests.cluster.harness.images import Buildah, Docker
from tests.cluster.harness.kind import KindCluster
from tests.cluster.harness.own import OwnCluster
from tests.cluster.harness.paths import Layout


class Cluster(Protocol):
    """A Kubernetes cluster and the tools to use it with."""

    @property
    def description(self) -> str:
        """What this is, for a person."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""

    @property
    def kubectl(self) -> Path:
        """The kubectl to use."""

    @property
    def helm(self) -> Path:
        """The Helm to use."""

    @property
    def builder(self) -> Buildah | Docker:
        """What builds its images."""

    def up(self) -> None:
        """Return when it takes pods; does nothing when it does already."""

    def down(self) -> None:
        """Remove it."""

    def status(self) -> bool:
        """Print how it is; tell whether it is well."""

    def answers(self) -> bool:
        """Tell whether the API server answers."""

    def load(self, images: list[str]) -> list[str]:
        """Bring images into the cluster; return those that are new to it."""


def chosen() -> Cluster:
    """Return the cluster that KUBECONFIG names, else kind where Docker runs, else our own."""
    layout = Layout.of_this_user()
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if named and Path(named) != layout.admin_kubeconfig:
        return GivenCluster(layout, Path(named))
    if KindCluster.possible():
        return KindCluster(layout)
    return OwnCluster(layout)
