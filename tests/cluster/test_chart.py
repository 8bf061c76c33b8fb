"""The chart on a real API server: what it accepts, what it grants, upgrades and uninstallation."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from omnia_operator.cluster.kinds import CUSTOM, ObjectKind
from tests.chart.rendering import (
    CHART,
    ENABLED,
    FOREIGN,
    Object,
    Renderer,
    merged,
    of_kind,
)
from tests.chart.rights import ISTIO_VERBS, VERBS
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.commands import run
from tests.cluster.harness.deploy import image_settings
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl

TRIAL = "trial"
DEFINITIONS = Path(__file__).parents[2] / "crds"
DEFINITION = "agentruntimes.omnia.altairalabs.ai"


@dataclass(frozen=True)
class Release:
    """A release of the chart beside the deployed one, in the namespace of a test."""

    cluster: Cluster
    kubectl: Kubectl

    def helm(self, *arguments: str | Path, seconds: float = 400) -> str:
        """Run Helm in the namespace."""
        here = (f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={self.kubectl.namespace}")
        return run(self.cluster.helm, *arguments, *here, seconds=seconds)

    def upgrade(self, *arguments: str, chart: Path = CHART) -> str:
        """Install or upgrade the release; its operator acts on the namespace of the test only."""
        watched = f"--set=operator.watchNamespaces={{{self.kubectl.namespace}}}"
        return self.helm(
            *("upgrade", "--install", TRIAL, str(chart)), *image_settings(), watched, *arguments
        )


@pytest.fixture
def release(cluster: Cluster, kubectl: Kubectl, omnia: Kubectl) -> Iterator[Release]:
    """A release that a test may install; the images are those of the deployed one."""
    found = Release(cluster, kubectl)
    yield found
    found.helm("uninstall", TRIAL, "--ignore-not-found", "--wait")
    # A test that failed in the middle may have left the definitions of an older chart.
    kubectl("apply", "--server-side", "--force-conflicts", f"--filename={DEFINITIONS}")


@pytest.mark.parametrize("values", [{}, ENABLED], ids=["plain", "everything"])
def test_the_api_server_accepts_every_object_of_the_chart(
    renderer: Renderer, kubectl: Kubectl, values: Object
) -> None:
    here = [kubectl.namespace]
    spaces = {"operator": {"watchNamespaces": here}, "networkPolicy": {"namespaces": here}}
    objects = renderer(merged(values, spaces) if values else {}, namespace=kubectl.namespace)
    native = [each for each in objects if each["kind"] not in FOREIGN]
    dry_run = ("apply", "--server-side", "--force-conflicts", "--validate=strict")
    kubectl(*dry_run, "--dry-run=server", "--filename=-", stdin=yaml.safe_dump_all(native))


def test_every_pod_of_the_chart_may_run_in_a_restricted_namespace(
    renderer: Renderer, kubectl: Kubectl
) -> None:
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", kubectl.namespace, restricted)
    objects = renderer({"history": ENABLED["history"]})
    specs = [each["spec"]["template"]["spec"] for each in of_kind(objects, "Deployment")]
    specs += [each["spec"] for each in of_kind(objects, "Pod")]
    assert len(specs) == 3
    for spec in specs:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "trial"},
            "spec": {**spec, "serviceAccountName": "default"},
        }
        kubectl("apply", "--dry-run=server", "--filename=-", stdin=yaml.safe_dump(pod))


def test_a_release_passes_its_test_and_leaves_nothing_when_it_is_uninstalled(
    release: Release, kubectl: Kubectl
) -> None:
    release.upgrade("--set=crds.install=false", "--wait", "--timeout=300s")
    lease = f"lease/{TRIAL}-operator"
    holder = "--output=jsonpath={.spec.holderIdentity}"

    def holding() -> str:
        name = kubectl("get", lease, holder)
        assert name, "nobody has the Lease"
        return name

    eventually(holding)
    release.helm("test", TRIAL, "--timeout=300s")
    # An upgrade leaves the Lease to its holder.
    held = eventually(holding)
    release.upgrade("--set=crds.install=false", "--wait", "--timeout=300s")
    assert kubectl("get", lease, holder) == held

    release.helm("uninstall", TRIAL, "--wait", "--timeout=300s")
    chosen = f"app.kubernetes.io/instance={TRIAL}"
    kinds = "pods,deployments,services,serviceaccounts,roles,rolebindings,clusterroles,leases"

    def left() -> list[str]:
        found = [*kubectl.list(kinds, chosen), *kubectl.list("leases")]
        return [f"{each['kind']}/{each['metadata']['name']}" for each in found]

    becomes(left, [])


@pytest.mark.exclusive
def test_an_upgrade_of_the_chart_upgrades_the_resource_definitions(
    release: Release, kubectl: Kubectl, tmp_path: Path
) -> None:
    columns = "--output=jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}"
    before = kubectl("get", "crd", DEFINITION, columns)
    # An older chart, whose definition lacks the last column.
    old = Path(shutil.copytree(CHART, tmp_path / "old"))
    file = old / f"files/crds/{DEFINITION}.yaml"
    definition = yaml.safe_load(file.read_text())
    definition["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    file.write_text(yaml.safe_dump(definition, sort_keys=False))
    idle = "--set=operator.replicas=0"

    # Definitions that somebody applied are not the release's until it is told to take them.
    with pytest.raises(HarnessError, match="invalid ownership metadata"):
        release.upgrade(idle, chart=old)
    release.upgrade(idle, "--take-ownership", chart=old)
    assert kubectl("get", "crd", DEFINITION, columns).split() == before.split()[:-1]

    release.upgrade(idle)
    assert kubectl("get", "crd", DEFINITION, columns) == before

    release.helm("uninstall", TRIAL, "--wait")
    assert kubectl("get", "crd", DEFINITION, columns) == before


def test_kubernetes_own_roles_include_the_custom_resources(
    kubectl: Kubectl, omnia: Kubectl
) -> None:
    for role in ("view", "edit", "admin"):
        kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er")

    writes = ("create", "update", "patch", "delete", "deletecollection")
    expected: dict[tuple[str, str, str], bool] = {("viewer", "get", "secrets"): False}
    for kind in CUSTOM:
        resource = f"{kind.plural}.{kind.group}"
        for role in ("view", "edit", "admin"):
            expected[f"{role}er", "list", resource] = True
            expected[f"{role}er", "get", f"{resource}/status"] = True
            for verb in ("update", "patch"):
                expected[f"{role}er", verb, f"{resource}/status"] = False
            for verb in writes:
                expected[f"{role}er", verb, resource] = role != "view"

    # The controller of Kubernetes adds the rules a moment after their role is made.
    def granted() -> None:
        assert reviewed(kubectl, list(expected)) == expected

    eventually(granted)


def reviewed(
    kubectl: Kubectl, questions: list[tuple[str, str, str]]
) -> dict[tuple[str, str, str], bool]:
    """Return whether users may do something to a resource, asked for all of them at once."""

    def review(user: str, verb: str, resource: str) -> Object:
        name, _, subresource = resource.partition("/")
        plural, _, group = name.partition(".")
        wanted = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "resourceAttributes": {"namespace": kubectl.namespace, **wanted},
            },
        }

    asked = {"apiVersion": "v1", "kind": "List", "items": [review(*each) for each in questions]}
    allowed = "--output=jsonpath={.status.allowed}{'\\n'}"
    said = kubectl("create", "--filename=-", allowed, stdin=json.dumps(asked)).split()
    return {each: answer == "true" for each, answer in zip(questions, said, strict=True)}


def test_the_api_server_knows_the_operators_rights_as_the_chart_has_them(
    kubectl: Kubectl, omnia: Kubectl
) -> None:
    account = f"--as=system:serviceaccount:{omnia.namespace}:omnia-operator"
    assert kubectl("auth", "can-i", "patch", "deployments", account).strip() == "yes"
    assert omnia("auth", "can-i", "update", "leases/omnia-operator", account).strip() == "yes"
    for verb, resource in FORBIDDEN:
        assert not kubectl.succeeds("auth", "can-i", verb, resource, account), (verb, resource)


def rights(kubectl: Kubectl, account: str) -> dict[str, set[str]]:
    """Return what an account may do in kubectl's namespace: verbs by resource and object name."""
    listed = kubectl("auth", "can-i", "--list", f"--as=system:serviceaccount:{account}")
    allowed: dict[str, set[str]] = {}
    for line in listed.splitlines()[1:]:
        found = RIGHT.fullmatch(line.rstrip())
        assert found, line
        resource, paths, names, verbs = found.groups()
        allowed.setdefault(f"{resource}{paths} {names}".strip(), set()).update(verbs.split())
    return allowed


def _shown(kind: ObjectKind) -> str:
    return f"{kind.plural}.{kind.group}".strip(".")


RIGHT = re.compile(r"(\S*) +\[(.*)\] +\[(.*)\] +\[(.*)\]")
LEASES = "leases.coordination.k8s.io"


def test_the_api_server_grants_the_operator_what_it_does_and_nothing_more(
    kubectl: Kubectl, omnia: Kubectl
) -> None:
    done = {_shown(kind): verbs for kind, verbs in (VERBS | ISTIO_VERBS).items()}
    done |= {f"{_shown(kind)}/status": {"patch"} for kind in CUSTOM}
    election = {LEASES: {"create"}, f"{LEASES} omnia-operator": {"get", "update"}}

    for here, wanted in ((kubectl, done), (omnia, done | election)):
        own = rights(here, f"{omnia.namespace}:omnia-operator")
        # What every account may do, such as asking for the versions of the API.
        everybodys = rights(here, f"{omnia.namespace}:default")
        assert own == everybodys | wanted


FORBIDDEN = (
    ("delete", "agentruntimes"),
    ("delete", "pods"),
    ("create", "pods/exec"),
    ("update", "deployments"),
    ("deletecollection", "secrets"),
    ("create", "rolebindings"),
    ("update", "leases"),
)
