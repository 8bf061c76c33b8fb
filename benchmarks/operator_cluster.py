"""The cluster as the benchmark of the operator needs it: fake nodes, namespaces, counted writes."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop
from lightkube import AsyncClient, KubeConfig

from benchmarks.operator_observed import Followed, Writes
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION
from omnia_operator.cluster.client import FIELD_MANAGER, ClusterClient
from tests.cluster import fleet
from tests.cluster.harness.api_client import ApiClient
from tests.cluster.harness.cluster import chosen
from tests.cluster.harness.deploy import NAMESPACE, RELEASE
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.fake_nodes import NODE_SELECTOR
from tests.cluster.harness.own import OwnCluster
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.local_operator import LocalOperator

ROOT = Path(__file__).parents[1]
LIMIT = 300.0
QUIET_SECONDS = 3.0


@dataclass(frozen=True)
class BenchCluster:
    """Our own cluster, with fake nodes in it and without a deployed operator."""

    kubectl: Kubectl
    api: ApiClient

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.kubectl.kubeconfig

    @classmethod
    @contextlib.contextmanager
    def entered(cls, nodes: int) -> Iterator["BenchCluster"]:
        """Prepare the cluster, and leave it as it was.

        Raises:
            HarnessError: fake nodes are for the cluster of our own only.
        """
        own = chosen()
        if not isinstance(own, OwnCluster):
            raise HarnessError(
                f"fake nodes need a cluster of their own, and this is {own.description}"
            )
        own.up()
        kubectl = Kubectl(own.kubectl, own.kubeconfig, "default")
        crds = f"--filename={ROOT / 'crds'}"
        kubectl("apply", "--server-side", "--force-conflicts", crds)
        kubectl("wait", "--for=condition=Established", crds, "--timeout=30s")
        here = cls(kubectl, ApiClient(own.layout.certificates))
        with _no_deployed_operator(kubectl), _fake_nodes(kubectl, nodes):
            yield here

    @contextlib.contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """Make a namespace, and remove it with all that is in it."""
        self._remove(name)
        self.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            self._remove(name)

    def make_agents(self, namespace: str, count: int) -> list[JsonObject]:
        """Create agents that nobody acts on yet; return them as the API server has them."""
        agents = fleet.agents(namespace, count, fleet.on_fake_nodes())
        self.apply(namespace, *fleet.shared(namespace), *agents)
        return replace(self.kubectl, namespace=namespace).list("agentruntimes")

    def apply(self, namespace: str, *documents: JsonObject) -> None:
        """Apply documents of a namespace."""
        here = replace(self.kubectl, namespace=namespace)
        command = ("apply", "--server-side", "--filename=-")
        here(*command, stdin=fleet.stream(documents), seconds=LIMIT)

    def follow_agents(self, namespace: str) -> Followed:
        """Watch agents until they are `settled`, and until they are `running`."""
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/agentruntimes"
        return Followed(self.api, path, settled=_settled, running=_running)

    def follow_files(self, namespace: str, text: str) -> Followed:
        """Watch ConfigMaps until they contain a text: are `new`."""
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        return Followed(self.api, path, new=lambda found: text in str(found.get("data")))

    def with_client(self, work: Callable[[ClusterClient], Awaitable[None]]) -> None:
        """Do something with the operator's own client."""

        async def run() -> None:
            config = KubeConfig.from_file(self.kubeconfig)
            client = ClusterClient(AsyncClient(config=config, field_manager=FIELD_MANAGER))
            try:
                await work(client)
            finally:
                await client.close()

        uvloop.run(run())

    def writes(self) -> Writes:
        """Count the writes that only the operator makes."""
        return Writes.of(self.kubectl("get", "--raw", "/metrics"))

    def wait_quiet(self, operator: LocalOperator) -> None:
        """Return when the operator has had nothing to do for a while."""
        last, since = -1.0, time.monotonic()

        def quiet() -> bool:
            nonlocal last, since
            done = operator.metric("controller_runtime_reconcile_total")
            if done != last or operator.metric("workqueue_depth"):
                last, since = done, time.monotonic()
            return time.monotonic() - since > QUIET_SECONDS

        wait_until("the operator is quiet", quiet, seconds=LIMIT)

    def _remove(self, name: str) -> None:
        options = ("--ignore-not-found", f"--timeout={LIMIT:.0f}s")
        self.kubectl("delete", "namespace", name, *options, seconds=LIMIT + 10)


def _settled(agent: JsonObject) -> bool:
    status = agent.get("status", {})
    return bool(status.get("observedGeneration") == agent["metadata"]["generation"])


def _running(agent: JsonObject) -> bool:
    return bool(agent.get("status", {}).get("phase") == "Running")


@contextlib.contextmanager
def _no_deployed_operator(kubectl: Kubectl) -> Iterator[None]:
    here = replace(kubectl, namespace=NAMESPACE)
    chosen_by = f"app.kubernetes.io/instance={RELEASE}"
    found = {
        each["metadata"]["name"]: each["spec"]["replicas"]
        for each in here.list("deployments", chosen_by)
    }
    try:
        for name in found:
            here("scale", "deployment", name, "--replicas=0")
        wait_until("no operator runs", lambda: not here.list("pods", chosen_by), seconds=60)
        yield
    finally:
        for name, replicas in found.items():
            here("scale", "deployment", name, f"--replicas={replicas}")


@contextlib.contextmanager
def _fake_nodes(kubectl: Kubectl, count: int) -> Iterator[None]:
    # A process of its own: its work must not slow down what is measured.
    command = [sys.executable, "-m", "tests.cluster.harness.fake_nodes", str(count)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    selector = ",".join(f"{key}={value}" for key, value in NODE_SELECTOR.items())
    try:
        wait_until(
            "the fake nodes are there",
            lambda: len(kubectl.list("nodes", selector)) == count,
            seconds=30,
        )
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
