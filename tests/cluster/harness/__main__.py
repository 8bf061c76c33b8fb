"""`python -m tests.cluster.harness COMMAND`: what the Makefile's cluster targets call."""

import argparse
import os
import sys
from collections.abc import Callable

from tests.cluster.harness.cluster import Cluster, chosen
from tests.cluster.harness.console import say
from tests.cluster.harness.deploy import deploy
from tests.cluster.harness.errors import HarnessError, MissingPart
from tests.cluster.harness.kind import helm
from tests.cluster.harness.paths import Layout


def up(cluster: Cluster) -> int:
    """Start the cluster."""
    say(f"Starting {cluster.description}")
    cluster.up()
    say(f"Ready: export KUBECONFIG={cluster.kubeconfig}")
    return 0


def down(cluster: Cluster) -> int:
    """Remove the cluster."""
    say(f"Removing {cluster.description}")
    cluster.down()
    return 0


def status(cluster: Cluster) -> int:
    """Tell how the cluster is; the exit code too."""
    say(cluster.description)
    return 0 if cluster.status() else 1


def build_images(cluster: Cluster) -> int:
    """Build the images of the project."""
    cluster.builder.build_all()
    return 0


def install(cluster: Cluster) -> int:
    """Bring Omnia into the cluster."""
    deploy(cluster)
    return 0


def prepare(cluster: Cluster) -> int:
    """Do all that the cluster tests need; where this machine cannot, the tests will be skipped."""
    try:
        return up(cluster) or build_images(cluster) or install(cluster)
    except MissingPart as missing:
        if os.environ.get("CI") == "true":
            raise
        say(f"The cluster tests will be skipped. {missing}")
        return 0


def _print(value: object) -> int:
    sys.stdout.write(f"{value}\n")
    return 0


COMMANDS: dict[str, Callable[[Cluster], int]] = {
    "up": up,
    "down": down,
    "status": status,
    "images": build_images,
    "deploy": install,
    "prepare": prepare,
    "kubeconfig": lambda cluster: _print(cluster.kubeconfig),
    "kubectl": lambda cluster: _print(cluster.kubectl),
    "helm": lambda _: _print(helm(Layout.of_this_user())),
}


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        commands.add_parser(name)
    load = commands.add_parser("load")
    load.add_argument("images", nargs="+")
    arguments = parser.parse_args()
    try:
        if arguments.command == "load":
            chosen().load(arguments.images)
            return 0
        return COMMANDS[arguments.command](chosen())
    except HarnessError as error:
        say(f"{error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
