"""A network namespace without a way out, and a link through which this machine reaches it."""

import contextlib
from pathlib import Path

from tests.cluster.harness import addresses
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.errors import HarnessError

ROUTES = (f"{addresses.NODE}/32", addresses.SERVICES, addresses.PODS)
SETTINGS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"}


def create_network() -> None:
    """Make the namespace and the link, unless they are there.

    Raises:
        HarnessError: an address of the cluster is in use on this machine.
    """
    if not Path(addresses.NAMESPACE_PATH).exists():
        run("ip", "netns", "add", addresses.NAMESPACE)
    if not succeeds("ip", "link", "show", addresses.HOST_LINK):
        _link()
    if not succeeds(*_inside("ip", "link", "show", addresses.NODE_BRIDGE)):
        _node_address()
    for name, value in SETTINGS.items():
        # The bridge's setting exists only where the kernel has that module.
        script = f"test ! -e /proc/sys/{name} || echo {value} >/proc/sys/{name}"
        run(*_inside("sh", "-c", script))


def remove_network() -> None:
    """Remove the namespace with everything in it."""
    with contextlib.suppress(HarnessError):
        run("ip", "link", "delete", addresses.HOST_LINK)
    if Path(addresses.NAMESPACE_PATH).exists():
        run("ip", "netns", "delete", addresses.NAMESPACE)


def remove_pod_network(namespace: str) -> None:
    """Remove the namespace of one pod."""
    with contextlib.suppress(HarnessError):
        run("ip", "netns", "delete", namespace)


def _link() -> None:
    host, cluster = addresses.HOST_LINK, addresses.CLUSTER_LINK
    run(
        *("ip", "link", "add", host, "type", "veth"),
        *("peer", "name", cluster, "netns", addresses.NAMESPACE),
    )
    run("ip", "address", "add", f"{addresses.HOST_END}/30", "dev", host)
    run("ip", "link", "set", host, "up")
    run(*_inside("ip", "address", "add", f"{addresses.CLUSTER_END}/30", "dev", cluster))
    run(*_inside("ip", "link", "set", cluster, "up"))
    run(*_inside("ip", "link", "set", "lo", "up"))
    for route in ROUTES:  # `add` and not `replace`: an address that is in use stays as it is
        run("ip", "route", "add", route, "via", addresses.CLUSTER_END, "dev", host)


def _node_address() -> None:
    bridge = addresses.NODE_BRIDGE
    run(*_inside("ip", "link", "add", bridge, "type", "bridge"))
    run(*_inside("ip", "address", "add", f"{addresses.NODE}/32", "dev", bridge))
    run(*_inside("ip", "link", "set", bridge, "up"))
    # A Service's address needs a route before kube-proxy's rules are asked.
    run(*_inside("ip", "route", "add", addresses.SERVICES, "dev", bridge))


def _inside(*command: str) -> tuple[str, ...]:
    return ("nsenter", f"--net={addresses.NAMESPACE_PATH}", *command)
