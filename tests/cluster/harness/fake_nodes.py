"""Nodes that run nothing: pods on them are Ready at once, for tests of the operator at scale.

`python -m tests.cluster.harness.fake_nodes 5` adds five to the cluster of its own until Ctrl-C. A
pod gets there by the node selector and the toleration below.
"""

import argparse
import contextlib
import datetime as dt
import itertools
import sys
import threading
import time
import urllib.error

from tests.cluster.harness.api_client import ApiClient, Object
from tests.cluster.harness.console import say
from tests.cluster.harness.paths import Layout

NODE_SELECTOR = {"type": "fake"}
TOLERATION = {"key": "fake", "operator": "Exists", "effect": "NoSchedule"}

CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "500"}
LEASE_SECONDS = 40
RENEWAL_SECONDS = 10
NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


class FakeNodes:
    """Some nodes, as long as they are kept."""

    def __init__(self, client: ApiClient, count: int) -> None:
        self._client = client
        self._names = [f"fake-{number}" for number in range(count)]
        self._addresses = (f"10.245.{n // 250}.{n % 250 + 1}" for n in itertools.count(1))
        self._started: set[str] = set()
        self._ended = threading.Event()

    def start(self) -> None:
        """Add the nodes, and keep them and their pods in threads."""
        for number, name in enumerate(self._names):
            self._add(name, f"10.98.0.{number + 1}")
        for work in (self._renew_for_ever, self._follow_for_ever):
            threading.Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Remove the nodes; the cluster removes what ran on them."""
        self._ended.set()
        for name in self._names:
            with contextlib.suppress(urllib.error.HTTPError):
                self._client.delete(f"/api/v1/nodes/{name}", {})

    def _add(self, name: str, address: str) -> None:
        labels = {**NODE_SELECTOR, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        taint = {"key": TOLERATION["key"], "effect": TOLERATION["effect"]}
        node: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": [taint]},
        }
        self._client.patch(f"/api/v1/nodes/{name}?{APPLY}", node, "apply")
        ready = {"type": "Ready", "status": "True", "reason": "Fake", "lastHeartbeatTime": _now()}
        status = {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "conditions": [{**ready, "message": "runs nothing", "lastTransitionTime": _now()}],
            "addresses": [{"type": "InternalIP", "address": address}],
            "nodeInfo": dict.fromkeys(NODE_INFO, "fake"),
        }
        self._client.patch(f"/api/v1/nodes/{name}/status", {"status": status}, "merge")

    def _renew_for_ever(self) -> None:
        while not self._ended.is_set():
            for name in self._names:
                with contextlib.suppress(OSError):
                    self._renew(name)
            self._ended.wait(RENEWAL_SECONDS)

    def _renew(self, name: str) -> None:
        moment = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name},
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": moment,
            },
        }
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        self._client.patch(f"{leases}/{name}?{APPLY}", lease, "apply")

    def _follow_for_ever(self) -> None:
        while not self._ended.is_set():
            try:
                self._follow()
            except (OSError, ValueError) as error:
                say(f"fake nodes: {error}")
                time.sleep(0.5)

    def _follow(self) -> None:
        listed = self._client.get("/api/v1/pods")
        for pod in listed["items"]:
            self._keep(pod)
        for event in self._client.watch("/api/v1/pods", listed["metadata"]["resourceVersion"]):
            if event["type"] == "ERROR" or self._ended.is_set():
                return
            if event["type"] != "DELETED":
                self._keep(event["object"])

    def _keep(self, pod: Object) -> None:
        """Do what a kubelet would: start the pod, or confirm that it has ended."""
        metadata = pod["metadata"]
        if pod["spec"].get("nodeName") not in self._names:
            return
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        with contextlib.suppress(urllib.error.HTTPError):  # gone meanwhile
            if "deletionTimestamp" in metadata:
                same = {"uid": metadata["uid"]}
                self._client.delete(path, {"gracePeriodSeconds": 0, "preconditions": same})
            elif metadata["uid"] not in self._started:
                self._started.add(metadata["uid"])
                status = _running(pod, next(self._addresses))
                self._client.patch(f"{path}/status", {"status": status}, "strategic-merge")


APPLY = "fieldManager=fake-nodes&force=true"


def _running(pod: Object, address: str) -> Object:
    now = _now()
    conditions = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "conditions": [
            {"type": each, "status": "True", "lastTransitionTime": now} for each in conditions
        ],
        "containerStatuses": [
            {
                "name": each["name"],
                "image": each["image"],
                "imageID": "fake",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for each in pod["spec"]["containers"]
        ],
    }


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> int:
    """Keep fake nodes until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.harness.fake_nodes", description=__doc__
    )
    parser.add_argument("count", type=int)
    layout = Layout.of_this_user()
    nodes = FakeNodes(ApiClient(layout.certificates), parser.parse_args().count)
    nodes.start()
    say("Fake nodes are there; Ctrl-C removes them")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        nodes.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
