"""From the commit before this one to this one and back, while clients are being answered."""

import contextlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import releases, streaming
from tests.cluster.agents import ready
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.waiting import becomes
from tests.cluster.kubectl import Kubectl
from tests.cluster.pages import ROOT, Shell
from tests.cluster.releases import Release

pytestmark = [pytest.mark.timeout(2 * releases.LONGEST_BUILD), pytest.mark.usefixtures("alone")]

PAGE = "docs/how-to/upgrade.md"
CLIENTS = 8


@contextlib.contextmanager
def installed(
    cluster: Cluster, kubectl: Kubectl, folder: Path, before: Release, after: Release
) -> Iterator[Shell]:
    """Yield a shell of somebody who installed the release of before."""
    given = {"VERSION": after.version, "CHART": str(after.chart)}
    with releases.shell(cluster, kubectl, folder, given, at=ROOT) as person:
        with tarfile.open(before.chart) as packed:
            packed.extractall(folder, filter="data")
        values = folder / "omnia/values.yaml"
        # The chart of an older commit may name the tag of a working copy.
        values.write_text(values.read_text().replace("tag: dev", f"tag: {before.version}"))
        open_to_all = "--set=agents.allowUnauthenticated=true"
        here = f"--set=operator.watchNamespaces={{{kubectl.namespace}}}"
        person.run(f"helm install omnia {folder}/omnia --skip-crds --wait {open_to_all} {here}")
        yield person


def image_of(kubectl: Kubectl) -> str:
    """Return the image of the agent's facade, when all of its pods have one."""
    found = {
        container["image"]
        for pod in kubectl.list("pods", "app.kubernetes.io/instance=helper")
        for container in pod["spec"]["containers"]
        if container["name"] == "facade"
    }
    return found.pop() if len(found) == 1 else ""


def definitions(kubectl: Kubectl) -> set[str]:
    """Return the uids of the resource definitions."""
    listed = kubectl.list("customresourcedefinitions")
    return {each["metadata"]["uid"] for each in listed if "omnia" in each["spec"]["group"]}


def test_no_answer_is_cut_by_an_upgrade_and_by_a_rollback(
    cluster: Cluster,
    kubectl: Kubectl,
    redis: str,
    previous_release: Release,
    release: Release,
    tmp_path: Path,
) -> None:
    with installed(cluster, kubectl, tmp_path, previous_release, release) as person:
        kubectl.apply(*streaming.paced(redis))
        ready(kubectl, "helper")
        old, new = (
            f"localhost/omnia-facade:{each.version}" for each in (previous_release, release)
        )
        becomes(lambda: image_of(kubectl), old)
        before = definitions(kubectl)
        streaming.start(kubectl, new, "helper", CLIENTS)

        person.type(PAGE, "Before")
        printed = person.type(PAGE, "Upgrade")
        assert f"localhost/omnia-operator:{release.version}" in printed
        becomes(lambda: image_of(kubectl), new)

        person.type(PAGE, "Roll back")
        becomes(lambda: image_of(kubectl), old)

        seen = streaming.stop(kubectl)
        assert {key: seen[key] for key in ("cut", "wrong", "lost")} == {
            "cut": 0,
            "wrong": 0,
            "lost": 0,
        }, seen
        assert seen["answered"] > CLIENTS, seen
        assert seen["moved"] >= 2 * CLIENTS, seen
        assert definitions(kubectl) == before  # with all that is stored


def test_the_resource_definitions_are_upgraded_by_the_pages_lines(
    cluster: Cluster, kubectl: Kubectl, release: Release, tmp_path: Path
) -> None:
    given = {"VERSION": release.version, "CHART": str(release.chart)}
    with releases.shell(cluster, kubectl, tmp_path, given, at=ROOT) as person:
        printed = person.type(PAGE, "Resource definitions")
    written = [yaml.safe_load(each.read_text()) for each in sorted((ROOT / "crds").glob("*.yaml"))]
    assert written
    assert printed.count("serverside-applied") == len(written)
    for each in written:
        stored = kubectl.get("customresourcedefinition", each["metadata"]["name"])
        (version,) = stored["spec"]["versions"]
        assert version["schema"] == each["spec"]["versions"][0]["schema"]
