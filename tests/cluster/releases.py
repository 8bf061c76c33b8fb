"""Releases on the nodes of the cluster, a registry for them, and a shell to install them with."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.harness.addresses import NAMESPACE_PATH
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.images import NAMES
from tests.cluster.harness.kind import NAME, KindCluster
from tests.cluster.harness.own import OwnCluster
from tests.cluster.harness.paths import ROOT
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.pages import Shell
from tests.services import free_port

PLATFORM = "linux/arm64" if platform.machine() == "aarch64" else "linux/amd64"
LONGEST_BUILD = 3600.0
# Without the registry of the public base image.
VARIABLES = {"PLATFORMS": PLATFORM, "BASE": "debian"}

# Two options that readers of a page do not need: a registry of this machine has no TLS, and the
# resource definitions were brought by the tests.
_HELM = """\
#!/bin/sh
case "$* " in *oci://127.0.0.1*) set -- "$@" --plain-http ;; esac
case "$1" in install|upgrade) set -- "$@" --take-ownership ;; esac
exec '{helm}' "$@"
"""


@dataclass(frozen=True)
class Release:
    """What `make release` wrote."""

    version: str
    folder: Path

    @property
    def chart(self) -> Path:
        return self.folder / f"omnia-{self.version}.tgz"

    def archive(self, name: str) -> Path:
        return self.folder / f"omnia-{name}-{self.version}.oci.tar"


def build(version: str, commit: str, folder: Path) -> Release:
    """Build a release for the platform of this machine."""
    command = [sys.executable, "-m", "release", version, f"--commit={commit}", f"--out={folder}"]
    command += [f"--platforms={PLATFORM}", "--base=debian"]
    run(*command, folder=ROOT, environment={"PYTHONPATH": str(ROOT)}, seconds=LONGEST_BUILD)
    return Release(version, folder)


def can_bring(cluster: Cluster) -> bool:
    """Whether image archives can be brought to the nodes."""
    return isinstance(cluster, OwnCluster | KindCluster)


def bring(cluster: Cluster, release: Release) -> None:
    """Bring the images of a release to the nodes."""
    for name in NAMES:
        if isinstance(cluster, KindCluster):
            run("kind", "load", "image-archive", f"--name={NAME}", release.archive(name))
        else:
            line = ("ctr", "--namespace=k8s.io", "images", "import", release.archive(name))
            run(*line, environment=containerd(cluster), seconds=300)


def containerd(cluster: Cluster) -> dict[str, str]:
    """The variable by which `ctr` finds the containerd of a cluster of our own."""
    layout = cluster.layout if isinstance(cluster, OwnCluster) else None
    return {"CONTAINERD_ADDRESS": str(layout.containerd_socket)} if layout else {}


@contextlib.contextmanager
def shell(
    cluster: Cluster, kubectl: Kubectl, folder: Path, variables: Mapping[str, str], *, at: Path
) -> Iterator[Shell]:
    """A shell with kubectl and Helm, whose namespace is that of the test, and Omnia's as well."""
    programs = folder / "bin"
    programs.mkdir()
    helm = programs / "helm"
    helm.write_text(_HELM.format(helm=cluster.helm))
    helm.chmod(0o755)
    (programs / "kubectl").symlink_to(cluster.kubectl)
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    for each in document["contexts"]:
        each["context"]["namespace"] = kubectl.namespace
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    kubeconfig.chmod(0o600)
    given = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "KUBECONFIG": str(kubeconfig),
        "HELM_CACHE_HOME": str(folder / "helm"),
        **containerd(cluster),
        **VARIABLES,
        **variables,
    }
    names = {
        "omnia-system": kubectl.namespace,
        "hello-agent --namespace default": f"hello-agent --namespace {kubectl.namespace}",
        "--all-namespaces": "",
    }
    made = Shell(at, given, names)
    try:
        yield made
    finally:  # its objects of the cluster would outlive the namespace
        made.run("helm uninstall omnia --ignore-not-found")


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run a registry on the loopback address, of this machine and of the cluster's network.

    Both have the same content, so that the nodes pull what is pushed here. Yields its address.
    """
    program = shutil.which("docker-registry")
    assert program
    address = f"127.0.0.1:{free_port()}"
    settings = folder / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    log = {"level": "error", "accesslog": {"disabled": True}}
    settings.write_text(
        yaml.safe_dump(
            {"version": "0.1", "log": log, "storage": storage, "http": {"addr": address}}
        )
    )
    inside = ("nsenter", f"--net={NAMESPACE_PATH}")
    with contextlib.ExitStack() as running:
        for prefix in ((), inside):
            command = [*prefix, program, "serve", str(settings)]
            process = running.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            running.callback(process.terminate)
            _wait_answering((*prefix, "curl", "--silent", "--fail", f"http://{address}/v2/"))
        yield address


def _wait_answering(ask: tuple[str, ...]) -> None:
    wait_until("the registry", lambda: succeeds(*ask))
