"""A release, typed as the pages have it: to a registry, and to the nodes of a closed network."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import releases
from tests.cluster.agents import ready
from tests.cluster.conftest import unavailable
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.images import NAMES
from tests.cluster.harness.own import OwnCluster
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl
from tests.cluster.pages import ROOT, Shell
from tests.cluster.releases import Release

pytestmark = [pytest.mark.timeout(2 * releases.LONGEST_BUILD), pytest.mark.usefixtures("alone")]


@pytest.fixture
def registry(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """The address of a registry on this machine whose images the nodes can pull."""
    if shutil.which("docker-registry") is None:
        unavailable("there is no registry; install it: apt-get install docker-registry")
    if not isinstance(cluster, OwnCluster):
        pytest.skip("only the nodes of a cluster of our own reach a registry of this machine")
    with releases.registry(tmp_path) as address:
        yield address


def images(kubectl: Kubectl) -> set[str]:
    """Return the images of the containers in a namespace."""
    pods = [each for each in kubectl.list("pods") if "deletionTimestamp" not in each["metadata"]]
    return {each["image"] for pod in pods for each in pod["spec"]["containers"]}


def test_the_readmes_lines_for_a_registry_publish_install_and_run_an_agent(
    cluster: Cluster, kubectl: Kubectl, registry: str, tmp_path: Path
) -> None:
    version, target = "9.9.9-rc.3", f"{registry}/omnia"
    given = {"VERSION": version, "REGISTRY": target}
    with releases.shell(cluster, kubectl, tmp_path, given, at=ROOT) as person:
        person.type("README.md", "Any other cluster", seconds=releases.LONGEST_BUILD)
        becomes(lambda: images(kubectl), {f"{target}/omnia-{name}:{version}" for name in NAMES})

        # The same release, carried away and pushed to another place by the lines of the page.
        settings = tmp_path / ".config/containers/registries.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
        away = {**person.variables, "REGISTRY": f"{registry}/away", "HOME": str(tmp_path)}
        folder = ROOT / "dist" / version
        carried = Shell(folder, away, person.names)
        carried.type("docs/how-to/air-gap.md", "Install without access to the Internet")
        carried.type("docs/how-to/air-gap.md", "Through a registry of the closed network")
        carried_images = {f"{registry}/away/omnia-{name}:{version}" for name in NAMES}
        becomes(lambda: images(kubectl), carried_images)
        ready(kubectl, "hello-agent")
    statement = json.loads((folder / "provenance.intoto.json").read_text())
    stated = {each["name"]: f"sha256:{each['digest']['sha256']}" for each in statement["subject"]}
    for name in NAMES:
        place = f"docker://{registry}/away/omnia-{name}:{version}"
        digest = carried.run(f"skopeo inspect --format '{{{{.Digest}}}}' {place}").strip()
        assert digest == stated[f"omnia-{name}:{version}"]


def test_archives_that_are_imported_on_a_node_are_enough(
    cluster: Cluster, kubectl: Kubectl, release: Release, tmp_path: Path
) -> None:
    if not isinstance(cluster, OwnCluster):
        pytest.skip("only the node of a cluster of our own is this machine")
    given = {"VERSION": release.version}
    with releases.shell(cluster, kubectl, tmp_path, given, at=release.folder) as person:
        person.type("docs/how-to/air-gap.md", "On every node, without a registry")

        def started() -> None:
            (first, *_) = kubectl("logs", "deployment/omnia-operator").splitlines()
            assert json.loads(first)["version"] == release.version

        eventually(started)
        kubectl.apply_files(ROOT / "examples/hello-agent")
        ready(kubectl, "hello-agent")
        expected = {f"localhost/omnia-{name}:{release.version}" for name in NAMES}
        becomes(lambda: images(kubectl), expected)


def test_an_operator_of_one_namespace_is_installed_by_the_pages_lines(
    cluster: Cluster, kubectl: Kubectl, release: Release, tmp_path: Path
) -> None:
    given = {
        "VERSION": release.version,
        "CHART": str(release.chart),
        "NAMESPACE": kubectl.namespace,
    }
    with releases.shell(cluster, kubectl, tmp_path, given, at=ROOT) as person:
        page = "docs/how-to/single-namespace.md"
        printed = person.type(page, "Install for some namespaces only")

        assert printed.split()[-2:] == ["yes", "no"]
        expected = {f"localhost/omnia-{name}:{release.version}" for name in NAMES}
        becomes(lambda: images(kubectl), expected)
