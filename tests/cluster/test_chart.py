"""The chart, rendered and checked by Helm itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnia_operator.cluster.kinds import CUSTOM, EVENT, OWNED, POD, ObjectKind
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.commands import run
from tests.cluster.harness.errors import HarnessError
from tests.cluster.kubectl import Kubectl

CHART = Path(__file__).parents[2] / "charts/omnia"
EVERYTHING = {
    "operator.podDisruptionBudget.enabled": "true",
    "operator.podAnnotations.example": "text",
    "agents.allowUnauthenticated": "true",
    "agents.imagePullSecrets": "{one,two}",
    "imagePullSecrets": "{three}",
    "tracing.enabled": "true",
    "tracing.endpoint": "http://collector:4317",
    "tracing.sampleRate": "0.25",
    "tracing.openInference": "true",
    "history.enabled": "true",
    "history.database.secretName": "history",
    "prometheus.address": "http://prometheus:9090",
    "metrics.serviceMonitor.enabled": "true",
    "metrics.serviceMonitor.labels.release": "prometheus",
    "metrics.podMonitor.enabled": "true",
    "metrics.prometheusRule.enabled": "true",
    "metrics.prometheusRule.thresholds.OmniaTurnsSlow": "45",
    "metrics.dashboard.enabled": "true",
    "networkPolicy.enabled": "true",
    "networkPolicy.namespaces": "{agents,more-agents}",
}
# Objects of the Prometheus operator, which is not in the cluster.
FOREIGN = ("ServiceMonitor", "PodMonitor", "PrometheusRule")

Object = dict[str, Any]

# What the operator does with each kind; kopf watches for kinds that are installed later.
DEFINITION = ObjectKind("apiextensions.k8s.io", "v1", "", "customresourcedefinitions")
VERBS: dict[ObjectKind, set[str]] = {
    **{kind: {"list", "watch"} for kind in (*CUSTOM, DEFINITION)},
    **{kind: {"get", "list", "watch", "create", "patch", "delete"} for kind in OWNED},
    POD: {"list", "watch", "patch"},
    EVENT: {"create"},
}
ISSUER_PATHS = ["/.well-known/openid-configuration", "/openid/v1/jwks"]
STATUSES = {(kind.group, f"{kind.plural}/status"): {"patch"} for kind in CUSTOM}


def render(cluster: Cluster, namespace: str, settings: dict[str, str]) -> list[Object]:
    """Return the objects of the chart."""
    sets = [f"--set={name}={value}" for name, value in settings.items()]
    rendered = run(cluster.helm, "template", "omnia", CHART, f"--namespace={namespace}", *sets)
    return [each for each in yaml.safe_load_all(rendered) if each]


def of_kind(objects: list[Object], kind: str) -> Iterator[Object]:
    """Yield the objects of one kind."""
    return (each for each in objects if each["kind"] == kind)


def test_helm_finds_nothing_to_complain_about(cluster: Cluster) -> None:
    run(cluster.helm, "lint", "--strict", CHART)


@pytest.mark.parametrize("settings", [{}, EVERYTHING], ids=["plain", "everything"])
def test_the_api_server_accepts_every_object_of_the_chart(
    cluster: Cluster, kubectl: Kubectl, settings: dict[str, str]
) -> None:
    if settings:
        settings = {**settings, "networkPolicy.namespaces": f"{{{kubectl.namespace}}}"}
    objects = render(cluster, kubectl.namespace, settings)
    native = [each for each in objects if each["kind"] not in FOREIGN]
    dry_run = ("apply", "--server-side", "--validate=strict", "--dry-run=server", "--filename=-")
    kubectl(*dry_run, stdin=yaml.safe_dump_all(native))


def test_the_operator_may_run_in_a_restricted_namespace(cluster: Cluster, kubectl: Kubectl) -> None:
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", kubectl.namespace, restricted)
    deployment = next(of_kind(render(cluster, kubectl.namespace, {}), "Deployment"))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator"},
        "spec": {**deployment["spec"]["template"]["spec"], "serviceAccountName": "default"},
    }
    kubectl("apply", "--dry-run=server", "--filename=-", stdin=yaml.safe_dump(pod))


def test_monitors_appear_when_they_are_asked_for(cluster: Cluster) -> None:
    plain, everything = render(cluster, "a", {}), render(cluster, "a", EVERYTHING)
    assert [each["kind"] for each in plain if each["kind"] in FOREIGN] == []
    assert {each["kind"] for each in everything if each["kind"] in FOREIGN} == set(FOREIGN)
    monitor = next(of_kind(everything, "ServiceMonitor"))
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_alerts_have_the_thresholds_of_the_values(cluster: Cluster) -> None:
    (rules,) = of_kind(render(cluster, "a", EVERYTHING), "PrometheusRule")
    made = {rule["alert"]: rule for group in rules["spec"]["groups"] for rule in group["rules"]}
    given = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    written = {rule["alert"]: rule for group in given for rule in group["rules"]}
    assert made.pop("OmniaTurnsSlow")["expr"].endswith("> 45")
    written.pop("OmniaTurnsSlow")
    assert made == written


def test_the_dashboard_is_what_grafana_reads(cluster: Cluster) -> None:
    (found,) = [
        each
        for each in of_kind(render(cluster, "a", EVERYTHING), "ConfigMap")
        if each["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
    ]
    (text,) = found["data"].values()
    assert json.loads(text) == json.loads((CHART / "files/dashboard.json").read_text())


def test_an_operator_of_some_namespaces_has_no_rights_in_others(cluster: Cluster) -> None:
    objects = render(cluster, "a", {"operator.watchNamespaces": "{one,two}"})
    assert list(of_kind(objects, "ClusterRoleBinding")) == []
    bound = {each["metadata"]["namespace"] for each in of_kind(objects, "RoleBinding")}
    assert bound == {"one", "two", "a"}


def test_a_misspelt_value_is_refused(cluster: Cluster) -> None:
    with pytest.raises(HarnessError, match="operater"):
        render(cluster, "a", {"operater.replicas": "2"})


def test_a_network_policy_is_made_for_every_namespace(cluster: Cluster) -> None:
    policies = list(of_kind(render(cluster, "a", EVERYTHING), "NetworkPolicy"))
    assert [each["metadata"]["namespace"] for each in policies] == ["agents", "more-agents"]


def test_the_role_allows_what_the_operator_does_and_nothing_more(cluster: Cluster) -> None:
    role = next(of_kind(render(cluster, "a", {}), "ClusterRole"))
    allowed = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        if "resources" in rule
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    done = {(kind.group, kind.plural): verbs for kind, verbs in VERBS.items()}
    assert allowed == {**done, **STATUSES}
    (paths,) = [rule for rule in role["rules"] if "nonResourceURLs" in rule]
    assert paths == {"nonResourceURLs": ISSUER_PATHS, "verbs": ["get"]}


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
    done = {_shown(kind): verbs for kind, verbs in VERBS.items()}
    done |= {f"{_shown(kind)}/status": {"patch"} for kind in CUSTOM}
    election = {LEASES: {"create"}, f"{LEASES} omnia-operator": {"get", "update"}}

    for here, wanted in ((kubectl, done), (omnia, done | election)):
        own = rights(here, f"{omnia.namespace}:omnia-operator")
        # What every account may do, such as asking for the versions of the API.
        everybodys = rights(here, f"{omnia.namespace}:default")
        assert own == everybodys | wanted


FORBIDDEN = (
    ("delete", "agentruntimes"),
    ("patch", "agentruntimes"),
    ("delete", "pods"),
    ("create", "pods/exec"),
    ("update", "deployments"),
    ("deletecollection", "secrets"),
    ("create", "rolebindings"),
    ("update", "leases"),
)
