"""DNS and metrics, served by one process beside the cluster, behind Services without a selector."""

import base64
import sys
from pathlib import Path

import yaml

from tests.cluster.harness import addresses
from tests.cluster.harness.api_client import ApiClient, Object
from tests.cluster.harness.build import program
from tests.cluster.harness.commands import run
from tests.cluster.harness.dns import Services, serve_dns
from tests.cluster.harness.metrics import GROUP, VERSION, serve_metrics
from tests.cluster.harness.paths import ROOT, Layout
from tests.cluster.harness.processes import Processes

NAMES = ("addons",)
NAMESPACE = "kube-system"


def start_addons(layout: Layout, processes: Processes) -> None:
    """Start the process, and tell the cluster about it."""
    here = ("env", f"--chdir={ROOT}", sys.executable, "-m", "tests.cluster.harness.addons")
    processes.start("addons", *here, layout.certificates)
    authority = (layout.certificates / "ca.crt").read_bytes()
    run(
        *(program(layout, "kubectl"), f"--kubeconfig={layout.admin_kubeconfig}"),
        *("apply", "--filename=-"),
        stdin=yaml.safe_dump_all(_objects(authority)),
    )


def serve(certificates: Path) -> None:
    """Serve both until the process ends."""
    client = ApiClient(certificates)
    serve_dns(Services(client, complain=_complain).resolve)
    serve_metrics(client, certificates)


def _objects(authority: bytes) -> list[Object]:
    dns, metrics = addresses.DNS_PORT, addresses.METRICS_PORT
    udp = {"name": "dns", "port": dns, "protocol": "UDP"}
    tcp = {"name": "dns-tcp", "port": dns, "protocol": "TCP"}
    https = {"name": "https", "port": metrics, "protocol": "TCP"}
    served = {"name": "https", "port": 443, "targetPort": metrics}
    return [
        _service("kube-dns", {"clusterIP": addresses.DNS_SERVICE, "ports": [udp, tcp]}),
        _endpoints("kube-dns", [udp, tcp]),
        _service("metrics-server", {"ports": [served]}),
        _endpoints("metrics-server", [https]),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": "metrics-server", "namespace": NAMESPACE},
                "caBundle": base64.b64encode(authority).decode(),
            },
        },
    ]


def _service(name: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _endpoints(service: str, ports: list[Object]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-outside",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [addresses.NODE], "conditions": {"ready": True}}],
        "ports": ports,
    }


def _complain(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
