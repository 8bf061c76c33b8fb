"""A cluster of our own: processes on this machine, in a network without a way out."""

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness import addons, control_plane, node
from tests.cluster.harness.addons import start_addons
from tests.cluster.harness.build import HELM, SERVERS, build, program
from tests.cluster.harness.certificates import create_certificates
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.console import say, step
from tests.cluster.harness.control_plane import start_control_plane
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.images import PAUSE_IMAGE, Buildah, Docker
from tests.cluster.harness.network import create_network, remove_network, remove_pod_network
from tests.cluster.harness.node import start_containerd, start_node
from tests.cluster.harness.paths import Layout
from tests.cluster.harness.processes import Identity, Processes, end
from tests.cluster.harness.requirements import FOR_CLUSTER, need_programs, need_root

# In the order in which they start.
NAMES = (*control_plane.NAMES, *node.NAMES, *addons.NAMES)


@dataclass(frozen=True)
class OwnCluster:
    """etcd, Kubernetes and containerd as processes; needs root, Debian packages and Go."""

    layout: Layout

    @property
    def description(self) -> str:
        """What this is."""
        return "a cluster of its own, as processes on this machine"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.admin_kubeconfig

    @property
    def kubectl(self) -> Path:
        """The kubectl of the same version."""
        return program(self.layout, "kubectl")

    @property
    def helm(self) -> Path:
        """The Helm that was built."""
        return program(self.layout, "helm")

    @property
    def builder(self) -> Buildah | Docker:
        """What builds its images."""
        return Buildah(self.layout)

    def up(self) -> None:
        """Build what is missing and start what does not run.

        Raises:
            MissingPart: this machine cannot do that.
        """
        need_root()
        need_programs(FOR_CLUSTER)
        for each in (SERVERS, HELM):
            build(self.layout, each)
        Buildah(self.layout).build_pause()
        self._prepare()
        processes = Processes(self.layout)
        with step("containerd"):
            start_containerd(self.layout, processes)
            self._load(PAUSE_IMAGE)
        with step("etcd, API server, controllers, scheduler"):
            start_control_plane(self.layout, processes)
        with step("kubelet, kube-proxy, node ready"):
            start_node(self.layout, processes)
        with step("DNS and metrics"):
            start_addons(self.layout, processes)

    def down(self) -> None:
        """End every process of the cluster and remove all that it left; the programs stay."""
        if not self.layout.run.exists():
            return
        processes = Processes(self.layout)
        for name in ("addons", "kube-proxy", "kubelet", "kube-scheduler"):
            processes.stop(name)
        with step("removing the pods"):
            self._remove_pods(processes)
        with step("ending the other processes"):
            for name in reversed(NAMES):
                processes.stop(name)
            self._end_shims()
        with step("removing mounts, network, control groups and files"):
            _unmount(self.layout.run)
            _remove_control_groups()
            remove_network()
            shutil.rmtree(self.layout.run)

    def status(self) -> bool:
        """Print which process runs; tell whether all do."""
        processes = Processes(self.layout)
        for name in NAMES:
            pid = processes.pid(name)
            say(f"  {name:24} {'does not run' if pid is None else f'pid {pid}'}")
        return all(processes.running(name) for name in NAMES) and self.answers()

    def answers(self) -> bool:
        """Tell whether the API server answers."""
        return self.kubeconfig.exists() and succeeds(
            self.kubectl, f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz"
        )

    def load(self, images: list[str]) -> list[str]:
        """Bring images into the cluster; return those that it did not have."""
        return [image for image in images if self._load(image)]

    def _prepare(self) -> None:
        with step("network and certificates"):
            for folder in (self.layout.run, self.layout.logs, self.layout.pids):
                folder.mkdir(parents=True, exist_ok=True)
            self.layout.run.chmod(0o755)  # containers of other users live below it
            create_network()
            create_certificates(self.layout)

    def _load(self, image: str) -> bool:
        builder = Buildah(self.layout)
        loaded = self.layout.run / "loaded" / image.replace("/", "_")
        identity = builder.identity(image)
        if loaded.exists() and loaded.read_text() == identity:
            return False
        run(*self._ctr("images", "import", str(builder.save(image))), seconds=300)
        loaded.parent.mkdir(exist_ok=True)
        loaded.write_text(identity)
        return True

    def _ctr(self, *arguments: str) -> tuple[str, ...]:
        return ("ctr", f"--address={self.layout.containerd_socket}", "-n", "k8s.io", *arguments)

    def _remove_pods(self, processes: Processes) -> None:
        if not processes.running("containerd"):
            return
        containers = run(*self._ctr("containers", "list", "--quiet")).split()
        namespaces = {found for name in containers if (found := self._pod_network(name))}
        for name in run(*self._ctr("tasks", "list", "--quiet")).split():
            with contextlib.suppress(HarnessError):
                run(*self._ctr("tasks", "delete", "--force", name))
        for name in containers:
            with contextlib.suppress(HarnessError):
                run(*self._ctr("containers", "delete", name))
        for namespace in namespaces:
            remove_pod_network(namespace)

    def _pod_network(self, container: str) -> str | None:
        info = json.loads(run(*self._ctr("containers", "info", container)))
        namespaces = info.get("Spec", {}).get("linux", {}).get("namespaces", [])
        paths = [Path(each.get("path", "")) for each in namespaces if each["type"] == "network"]
        return next((path.name for path in paths if path.name.startswith("cni-")), None)

    def _end_shims(self) -> None:
        """End what containerd started beside itself: known by this cluster's own socket."""
        address = str(self.layout.containerd_socket)
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_text().split("\0")
                identity = Identity.of(int(folder.name))
                if identity and "containerd-shim" in words[0] and address in words:
                    end(identity, seconds=5)


def _unmount(folder: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((each for each in mounted if each.startswith(f"{folder}/")), reverse=True):
        with contextlib.suppress(HarnessError):
            run("umount", "--lazy", path)


def _remove_control_groups() -> None:
    """Remove the empty groups of the pods, in both versions of the hierarchy."""
    roots = [*Path("/sys/fs/cgroup").glob("kubepods"), *Path("/sys/fs/cgroup").glob("*/kubepods")]
    for root in roots:
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
