"""Where everything is: what is built outlives a cluster, what a cluster writes goes with it."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GO_MODULES = Path(__file__).resolve().parent / "go"


@dataclass(frozen=True)
class Layout:
    """The folders of the harness, outside the checkout."""

    cache: Path

    @classmethod
    def of_this_user(cls) -> "Layout":
        """Return the layout below the user's cache folder."""
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(caches) / "omnia")

    @property
    def programs(self) -> Path:
        """Programs that were built, in a folder for each version of their source."""
        return self.cache / "programs"

    @property
    def images(self) -> Path:
        """Image archives."""
        return self.cache / "images"

    @property
    def run(self) -> Path:
        """Everything that belongs to the running cluster; `down` removes it."""
        return self.cache / "cluster"

    @property
    def certificates(self) -> Path:
        """Keys and certificates of the cluster."""
        return self.run / "certificates"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig for each client of the API server."""
        return self.run / "kubeconfigs"

    @property
    def admin_kubeconfig(self) -> Path:
        """The kubeconfig for people and tests."""
        return self.kubeconfigs / "admin.yaml"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.run / "logs"

    @property
    def pids(self) -> Path:
        """One file for each process that was started."""
        return self.run / "pids"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.run / "containerd" / "containerd.sock"
