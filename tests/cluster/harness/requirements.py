"""What the machine must have: installed where that is possible, named where it is not."""

import os
import shutil
from collections.abc import Iterable

from tests.cluster.harness.commands import run
from tests.cluster.harness.console import step
from tests.cluster.harness.errors import MissingPart

# Program, and the Debian package that brings it.
FOR_CLUSTER = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "socat": "socat",  # kubectl port-forward
    "openssl": "openssl",
    "buildah": "buildah",  # the pause image
}
FOR_IMAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}
FOR_RELEASE = {"buildah": "buildah", "skopeo": "skopeo", "git": "git"}


def need_root() -> None:
    """Check that network namespaces and containers may be made.

    Raises:
        MissingPart: they may not.
    """
    if os.geteuid() != 0:
        raise MissingPart(
            "A cluster of its own needs root for network namespaces and containers: run "
            "`sudo make cluster-up`, or name an existing cluster with KUBECONFIG, or install "
            "Docker and kind"
        )


def need_programs(wanted: dict[str, str]) -> None:
    """Find the programs, and install what is missing where apt-get can.

    Raises:
        MissingPart: names the line that installs the rest.
    """
    packages = sorted({wanted[program] for program in missing(wanted)})
    if not packages:
        return
    line = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPart(f"These packages are not here; install them: {line}")
    with step(f"installing {', '.join(packages)}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", environment=quiet, seconds=300)
        # Debian starts the services of some packages; the cluster runs its own.
        run(*line.split(), "-qq", "--yes", environment={**quiet, "RUNLEVEL": "1"}, seconds=600)
    still = missing(wanted)
    if still:
        raise MissingPart(f"Not found after `{line}`: {', '.join(still)}")


def missing(wanted: Iterable[str]) -> list[str]:
    """Return the programs that are not here."""
    return [program for program in wanted if shutil.which(program) is None]


def need_go() -> None:
    """Check that Go modules can be built.

    Raises:
        MissingPart: they cannot.
    """
    if shutil.which("go") is None:
        raise MissingPart(
            "Kubernetes and Helm are built from their Go modules, and there is no Go here; "
            "install Go 1.24 or newer: apt-get install golang-go"
        )
