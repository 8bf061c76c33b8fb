"""Programs from their Go modules, kept until their source changes."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.commands import run
from tests.cluster.harness.console import step
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.paths import GO_MODULES, Layout
from tests.cluster.harness.requirements import need_go

KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
LONGEST_BUILD = 3600.0


@dataclass(frozen=True)
class Program:
    """A Go module here, what to build of it, and the names that it answers to."""

    module: str
    target: str
    names: tuple[str, ...]

    @property
    def source(self) -> Path:
        """The folder of the module."""
        return GO_MODULES / self.module

    @property
    def version(self) -> str:
        """The first eight bytes of the hash of everything that decides about the program."""
        digest = hashlib.sha256(_flags(self).encode())
        for file in sorted(self.source.iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()[:16]

    def folder(self, layout: Layout) -> Path:
        """Where the program is once it is built."""
        return layout.programs / f"{self.module}-{self.version}"

    def built(self, layout: Layout) -> bool:
        """Tell whether the program is there."""
        return all((self.folder(layout) / name).exists() for name in self.names)


SERVERS = Program("kubernetes", ".", KUBERNETES)
HELM = Program("helm", "helm.sh/helm/v3/cmd/helm", ("helm",))
PAUSE = Program("pause", ".", ("pause",))
ARGOCD_DIFF = Program("argocd-diff", ".", ("argocd-diff",))


def program(layout: Layout, name: str) -> Path:
    """Return the path of a program, built or not."""
    owner = next(each for each in (SERVERS, HELM, PAUSE, ARGOCD_DIFF) if name in each.names)
    return owner.folder(layout) / name


def build(layout: Layout, wanted: Program) -> None:
    """Build a program, unless it is there.

    Raises:
        MissingPart: there is no Go.
    """
    if wanted.built(layout):
        return
    need_go()
    slow = " (8 minutes on two cores the first time)" if wanted is SERVERS else ""
    with step(f"building {wanted.module}{slow}"):
        folder = wanted.folder(layout)
        folder.mkdir(parents=True, exist_ok=True)
        binary = folder / f".{wanted.module}"
        run(
            *("go", "build", "-trimpath", "-buildvcs=false", "-p", "2"),
            *("-ldflags", _flags(wanted), "-o", binary, wanted.target),
            folder=wanted.source,
            # A module may ask for a newer Go than the one that is here.
            environment={"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"},
            seconds=LONGEST_BUILD,
        )
        for name in wanted.names:
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(binary.name)
    for old in layout.programs.glob(f"{wanted.module}-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def _flags(wanted: Program) -> str:
    """Return the linker's flags: no debugging data, and the versions that the programs tell."""
    values = {SERVERS: _kubernetes_versions, HELM: _helm_versions}.get(wanted, dict)()
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])


def _kubernetes_versions() -> dict[str, str]:
    version = _required(SERVERS, "k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{key}": value for package in packages for key, value in values.items()}


def _helm_versions() -> dict[str, str]:
    # The libraries of Kubernetes 1.37 have the version 0.37.
    minor = _required(HELM, "k8s.io/client-go").split(".")[1]
    return {
        "helm.sh/helm/v3/internal/version.version": _required(HELM, "helm.sh/helm/v3"),
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": minor,
    }


def _required(wanted: Program, module: str) -> str:
    """Return the version of a module that a program is built from."""
    text = (wanted.source / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise HarnessError(f"{wanted.source / 'go.mod'} does not require {module}")
    return found[1]
