"""Tests on a real Kubernetes: only `make test-cluster` runs them."""

import contextlib
import os
import uuid
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from omnia_operator.cluster.kinds import HTTP_ROUTE, ROUTING
from tests.chart.rendering import Renderer
from tests.cluster import releases
from tests.cluster.cluster_lock import ClusterLock
from tests.cluster.harness.cluster import Cluster, chosen
from tests.cluster.harness.commands import succeeds
from tests.cluster.harness.definitions import istio_definitions
from tests.cluster.harness.deploy import NAMESPACE, RELEASE
from tests.cluster.harness.errors import HarnessError, MissingPart
from tests.cluster.harness.paths import Layout
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.releases import Release

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
FOREIGN = FOLDER / "foreign"
WANTED = os.environ.get("CLUSTER_TESTS") == "true"
IN_CI = os.environ.get("CI") == "true"

TEST_SECONDS = 1200
"""Longer than the waits of a test, so that the wait that failed says what it saw."""

collect_ignore_glob = [] if WANTED else ["test_*.py"]

LOCK = ClusterLock(Layout.of_this_user().cache)


# First of all, so that the time of a test and its fixtures begin when it has the cluster.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test of this folder that changes what all of them share while no other runs."""
    if item.path.parent != FOLDER:  # pytest calls this hook for the tests of every folder
        return (yield)
    fixtures: Collection[str] = getattr(item, "fixturenames", ())
    alone = "alone" in fixtures or item.get_closest_marker("exclusive") is not None
    with LOCK.held(alone=alone):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder their time."""
    for each in items:
        if each.path.parent == FOLDER and not each.get_closest_marker("timeout"):
            each.add_marker(pytest.mark.timeout(TEST_SECONDS))


def unavailable(reason: str) -> None:
    """Skip with the reason; where every test must run, fail."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A cluster that takes pods."""
    found = chosen()
    try:
        with LOCK.preparing():
            found.up()
    except MissingPart as missing:
        unavailable(str(missing))
    return found


@pytest.fixture(scope="session")
def cluster_kubectl(cluster: Cluster) -> Kubectl:
    """The administrator's kubectl, with the resource definitions of Omnia in the cluster."""
    kubectl = Kubectl(cluster.kubectl, cluster.kubeconfig, "default")
    kubectl("apply", "--server-side", "--force-conflicts", f"--filename={ROOT / 'crds'}")
    _established(kubectl, *(file.stem for file in (ROOT / "crds").glob("*.yaml")))
    return kubectl


@pytest.fixture
def kubectl(cluster_kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own."""
    with _in_namespace(cluster_kubectl) as here:
        yield here


@pytest.fixture(scope="module")
def shared(cluster_kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl in a namespace of the file's own, for what several tests only look at."""
    with _in_namespace(cluster_kubectl) as here:
        yield here


@contextlib.contextmanager
def _in_namespace(cluster_kubectl: Kubectl) -> Iterator[Kubectl]:
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    cluster_kubectl("create", "namespace", namespace)
    here = replace(cluster_kubectl, namespace=namespace)
    # Pods that are made before it exists are rejected.
    here.wait("serviceaccount/default", "create")
    yield here
    with contextlib.suppress(HarnessError):
        cluster_kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def omnia(cluster_kubectl: Kubectl) -> Kubectl:
    """The deployed operator: kubectl in its namespace."""
    kubectl = replace(cluster_kubectl, namespace=NAMESPACE)
    if not kubectl.list("deployments", f"app.kubernetes.io/instance={RELEASE}"):
        unavailable("Omnia is not in the cluster; bring it there: make images deploy")
    return kubectl


@pytest.fixture(scope="session")
def renderer(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """The chart, rendered by Helm."""
    return Renderer(cluster.helm, tmp_path_factory.mktemp("values"))


@pytest.fixture(scope="session")
def keda(cluster_kubectl: Kubectl) -> None:
    """The resource definition of KEDA's ScaledObject, without KEDA."""
    definition = f"--filename={FOREIGN / 'scaledobjects.keda.sh.yaml'}"
    cluster_kubectl("apply", "--server-side", "--force-conflicts", definition)
    _established(cluster_kubectl, "scaledobjects.keda.sh")


@pytest.fixture(scope="session")
def istio(cluster_kubectl: Kubectl) -> None:
    """The resource definitions in which Istio has weights and subsets, without Istio."""
    names = [f"{kind.plural}.{kind.group}" for kind in ROUTING]
    try:
        found = istio_definitions(names)
    except MissingPart as missing:
        unavailable(str(missing))
    apply = ("apply", "--server-side", "--force-conflicts", "--filename=-")
    cluster_kubectl(*apply, stdin=yaml.safe_dump_all(found))
    _established(cluster_kubectl, *names)


@pytest.fixture(scope="session")
def http_routes(cluster_kubectl: Kubectl) -> None:
    """The resource definition of the Gateway API's HTTPRoute, without a Gateway."""
    name = f"{HTTP_ROUTE.plural}.{HTTP_ROUTE.group}"
    if not cluster_kubectl.succeeds("get", "customresourcedefinition", name):
        definition = FOREIGN / "httproutes.gateway.networking.k8s.io.yaml"
        cluster_kubectl("apply", "--server-side", f"--filename={definition}")
    _established(cluster_kubectl, name)


def _established(kubectl: Kubectl, *names: str) -> None:
    wanted = [f"customresourcedefinition/{name}" for name in names]
    # A definition that has no conditions yet is an error for `kubectl wait`.
    wait = ("wait", "--for=condition=Established", *wanted, "--timeout=30s")
    wait_until("the definitions are established", lambda: kubectl.succeeds(*wait))
    # What is established is served a moment later.
    for name in names:
        eventually(lambda name=name: kubectl("get", name))  # type: ignore[misc]


@pytest.fixture
def gateway_api(cluster_kubectl: Kubectl) -> Callable[[], None]:
    """A cluster without the Gateway API; call it to install the definition of an HTTPRoute.

    The operator is restarted when the watch of a kind ends for good, so a test that uses this has
    the cluster alone, and waits for the operator.
    """
    definition = FOREIGN / "httproutes.gateway.networking.k8s.io.yaml"
    name = "httproutes.gateway.networking.k8s.io"
    cluster_kubectl("delete", "customresourcedefinition", name, "--ignore-not-found")

    def install() -> None:
        cluster_kubectl("apply", "--server-side", f"--filename={definition}")
        _established(cluster_kubectl, name)

    return install


@pytest.fixture(scope="session")
def redis_image(cluster: Cluster) -> None:
    """The image of a real Redis, in the cluster."""
    name = "localhost/omnia-test-redis:dev"
    with LOCK.preparing():
        try:
            cluster.builder.build_for_tests(name, FOREIGN / "Dockerfile.redis")
        except MissingPart as missing:
            unavailable(str(missing))
        cluster.load([name])


@pytest.fixture(scope="session")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release of this commit, whose images are on the nodes."""
    return _released(cluster, "9.9.9-rc.2", "HEAD", tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def previous_release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release of the commit before this one, whose images are on the nodes."""
    return _released(cluster, "9.9.9-rc.1", "HEAD^", tmp_path_factory.mktemp("previous"))


def _released(cluster: Cluster, version: str, commit: str, folder: Path) -> Release:
    if not releases.can_bring(cluster):
        pytest.skip("images of other versions must be on the nodes of this cluster")
    if not succeeds("git", "-C", ROOT, "rev-parse", "--verify", f"{commit}^{{commit}}"):
        unavailable(f"this clone has no commit {commit}; get it: git fetch --unshallow")
    try:
        made = releases.build(version, commit, folder)
    except MissingPart as missing:
        unavailable(str(missing))
    releases.bring(cluster, made)
    return made


@pytest.fixture
def redis(redis_image: None, kubectl: Kubectl) -> str:
    """A real Redis in the namespace of the test; the name of the Secret with its address."""
    return _redis(kubectl)


@pytest.fixture(scope="module")
def shared_redis(redis_image: None, shared: Kubectl) -> str:
    """A real Redis in the namespace of the file."""
    return _redis(shared)


def _redis(kubectl: Kubectl) -> str:
    kubectl.apply_files(FOREIGN / "redis.yaml")
    kubectl.wait_available("redis")
    ping = ("deployment/redis", "--", "redis-cli", "-h", "redis", "ping")
    becomes(lambda: kubectl("exec", *ping).strip(), "PONG")
    return "redis"


@pytest.fixture
def alone(cluster_kubectl: Kubectl) -> Iterator[None]:
    """No deployed operator, which would do the work of the test's own."""
    there = replace(cluster_kubectl, namespace=NAMESPACE)
    release = f"app.kubernetes.io/instance={RELEASE}"
    replicas = {
        each["metadata"]["name"]: each["spec"]["replicas"]
        for each in there.list("deployments", release)
    }
    try:
        for name in replicas:
            there("scale", "deployment", name, "--replicas=0")
        wait_until("no operator runs", lambda: not there.list("pods", release))
        yield
    finally:
        for name, count in replicas.items():
            there("scale", "deployment", name, f"--replicas={count}")
            there.wait_available(name)
