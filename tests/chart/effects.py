"""What each value of the chart changes in the objects that Helm renders."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from omnia_operator.api.chart import chart_values
from tests.chart.rendering import (
    CHART,
    ENABLED,
    Object,
    environment,
    merged,
    named,
    nested,
    of_kind,
)

Look: TypeAlias = Callable[[list[Object]], Any]

HISTORY: Object = {"history": ENABLED["history"]}
DIGEST = "sha256:" + "ab" * 32
TERM = {"key": "spot", "operator": "Exists"}
PEERS = [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]
RULES = [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 443}]}]
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)


@dataclass(frozen=True)
class Effect:
    """A change of one value, and what it makes of the objects.

    Attributes:
        value: what the value is set to.
        look: what is looked at.
        expected: what is found there, and not without the change.
        given: other values, of both renderings.
    """

    value: Any
    look: Look
    expected: Any
    given: Object = field(default_factory=dict)


def at(name: str, *path: str | int) -> Look:
    """Look at a place in an object; None where there is no such place."""

    def look(objects: list[Object]) -> Any:
        place: Any = named(objects).get(name)
        for step in path:
            if isinstance(place, list) and isinstance(step, int):
                place = place[step] if step < len(place) else None
            else:
                place = place.get(step) if isinstance(place, dict) else None
        return place

    return look


def variable(name: str, component: str = "operator") -> Look:
    """Look at a variable of a component."""
    return lambda objects: environment(objects, component).get(name)


def number_of(kind: str) -> Look:
    """Count the objects of a kind."""
    return lambda objects: len(list(of_kind(objects, kind)))


def pod_default(name: str) -> Look:
    """Look at what the pods of every agent have."""
    return lambda objects: json.loads(environment(objects)["OMNIA_POD_DEFAULTS"])[name]


def everywhere(block: str, key: str) -> Look:
    """Look at the values of a label or annotation of all objects and pods."""

    def look(objects: list[Object]) -> Any:
        pods = [each["spec"]["template"] for each in of_kind(objects, "Deployment")]
        return {each["metadata"].get(block, {}).get(key) for each in (*objects, *pods)}

    return look


def alert(name: str) -> Look:
    """Look at the threshold of an alert."""

    def look(objects: list[Object]) -> Any:
        (rules,) = of_kind(objects, "PrometheusRule")
        made = {rule["alert"]: rule for group in rules["spec"]["groups"] for rule in group["rules"]}
        return made[name]["expr"].split()[-1]

    return look


def env_names(component: str) -> Look:
    return lambda objects: [
        each.get("value")
        for each in at(f"Deployment/omnia-{component}", *CONTAINER, "env")(objects)
        if each["name"] == "LOG_LEVEL"
    ]


def image_effects(block: str, look: Look, pull_policy: Look, given: Object) -> dict[str, Effect]:
    """Return the effects of the values of an image; the operator's without a repository."""
    mine = merged(given, nested(f"{block}.repository", "mine"))
    return {
        f"{block}.repository": Effect("other", look, "other:0.1.0", given),
        f"{block}.tag": Effect("1.2", look, "mine:1.2", mine),
        f"{block}.digest": Effect(
            DIGEST, look, f"mine@{DIGEST}", merged(mine, nested(f"{block}.tag", "1.2"))
        ),
        f"{block}.pullPolicy": Effect("Always", pull_policy, "Always", mine),
    }


def workload_effects(component: str, given: Object) -> dict[str, Effect]:
    """Return the effects of the values that the operator and the history both have."""
    name = f"omnia-{component}"
    deployment, account = f"Deployment/{name}", f"ServiceAccount/{name}"
    budget = merged(given, nested(f"{component}.podDisruptionBudget.enabled", value=True))
    unmade = merged(given, nested(f"{component}.serviceAccount.create", value=False))
    labels = at(deployment, "spec", "selector")
    mount = {"name": "ca", "mountPath": "/ca"}
    found = {
        "replicas": Effect(3, at(deployment, "spec", "replicas"), 3),
        "resources": Effect(
            {"limits": {"cpu": "2"}}, at(deployment, *CONTAINER, "resources", "limits", "cpu"), "2"
        ),
        "extraEnv": Effect(
            [{"name": "LOG_LEVEL", "value": "debug"}], env_names(component), ["debug"]
        ),
        "extraEnvFrom": Effect(
            [{"secretRef": {"name": "proxy"}}],
            at(deployment, *CONTAINER, "envFrom"),
            [{"secretRef": {"name": "proxy"}}],
        ),
        "extraVolumes": Effect(
            [{"name": "ca", "secret": {"secretName": "ca"}}],
            at(deployment, *POD, "volumes"),
            [{"name": "ca", "secret": {"secretName": "ca"}}],
        ),
        "extraVolumeMounts": Effect([mount], at(deployment, *CONTAINER, "volumeMounts"), [mount]),
        "deploymentAnnotations": Effect(
            {"reloader": "true"}, at(deployment, "metadata", "annotations", "reloader"), "true"
        ),
        "strategy": Effect(
            {"type": "Recreate"}, at(deployment, "spec", "strategy", "type"), "Recreate"
        ),
        "podAnnotations": Effect(
            {"mesh": "off"}, at(deployment, *POD[:-1], "metadata", "annotations"), {"mesh": "off"}
        ),
        "podLabels": Effect(
            {"mesh": "off", "app.kubernetes.io/instance": "stolen"},
            lambda objects: (
                at(deployment, *POD[:-1], "metadata", "labels", "mesh")(objects),
                labels(objects)["matchLabels"].items()
                <= at(deployment, *POD[:-1], "metadata", "labels")(objects).items(),
            ),
            ("off", True),
        ),
        "podSecurityContext": Effect(
            {"runAsUser": None}, at(deployment, *POD, "securityContext", "runAsUser"), None
        ),
        "securityContext": Effect(
            {"readOnlyRootFilesystem": False},
            at(deployment, *CONTAINER, "securityContext", "readOnlyRootFilesystem"),
            False,
        ),
        "nodeSelector": Effect(
            {"disk": "ssd"}, at(deployment, *POD, "nodeSelector"), {"disk": "ssd"}
        ),
        "tolerations": Effect([TERM], at(deployment, *POD, "tolerations"), [TERM]),
        "affinity": Effect(
            {"nodeAffinity": {}}, at(deployment, *POD, "affinity"), {"nodeAffinity": {}}
        ),
        "topologySpreadConstraints": Effect(
            [SPREAD],
            lambda objects: [
                each == {**SPREAD, "labelSelector": labels(objects)}
                for each in at(deployment, *POD, "topologySpreadConstraints")(objects) or []
            ],
            [True],
        ),
        "priorityClassName": Effect("high", at(deployment, *POD, "priorityClassName"), "high"),
        "terminationGracePeriodSeconds": Effect(
            90, at(deployment, *POD, "terminationGracePeriodSeconds"), 90
        ),
        "podDisruptionBudget.enabled": Effect(
            True,
            lambda objects: (
                at(f"PodDisruptionBudget/{name}", "spec", "selector")(objects) == labels(objects)
            ),
            True,
        ),
        "podDisruptionBudget.minAvailable": Effect(
            "50%",
            lambda objects: [
                at(f"PodDisruptionBudget/{name}", "spec", bound)(objects)
                for bound in ("minAvailable", "maxUnavailable")
            ],
            ["50%", None],
            budget,
        ),
        "podDisruptionBudget.maxUnavailable": Effect(
            2, at(f"PodDisruptionBudget/{name}", "spec", "maxUnavailable"), 2, budget
        ),
        "service.type": Effect("NodePort", at(f"Service/{name}", "spec", "type"), "NodePort"),
        "service.annotations": Effect(
            {"lb": "internal"}, at(f"Service/{name}", "metadata", "annotations"), {"lb": "internal"}
        ),
        "serviceAccount.create": Effect(
            False,
            lambda objects: (
                account in named(objects),
                at(deployment, *POD, "serviceAccountName")(objects),
            ),
            (False, "default"),
        ),
        "serviceAccount.name": Effect(
            "given", at(deployment, *POD, "serviceAccountName"), "given", unmade
        ),
        "serviceAccount.annotations": Effect(
            {"role": "arn"}, at(account, "metadata", "annotations"), {"role": "arn"}
        ),
        "serviceAccount.automount": Effect(
            False,
            lambda objects: [
                at(account, "automountServiceAccountToken")(objects),
                at(deployment, *POD, "automountServiceAccountToken")(objects),
            ],
            [False, False],
        ),
    }
    image = image_effects(
        f"{component}.image",
        at(deployment, *CONTAINER, "image"),
        at(deployment, *CONTAINER, "imagePullPolicy"),
        given,
    )
    return image | {
        f"{component}.{key}": Effect(
            each.value, each.look, each.expected, merged(given, each.given)
        )
        for key, each in found.items()
    }


def agent_effects(block: str) -> dict[str, Effect]:
    """Return the effects of the values of a container of agents."""
    prefix = f"OMNIA_{block.upper()}"
    image, policy = variable(f"{prefix}_IMAGE"), variable(f"{prefix}_IMAGE_PULL_POLICY")
    return {
        **image_effects(f"{block}.image", image, policy, {}),
        f"{block}.resources": Effect(
            {"limits": {"cpu": "2"}},
            lambda objects: '"cpu":"2"' in (variable(f"{prefix}_RESOURCES")(objects) or ""),
            True,
        ),
    }


def policy_effects() -> dict[str, Effect]:
    """Return the effects of the switches of the policy: each reaches the operator."""
    found = {}
    for value in chart_values(CHART):
        if value.path[0] == "policy" and isinstance(value.default, bool):
            words = re.sub("([A-Z])", r"_\1", value.path[1]).upper()
            other = not value.default
            look = variable(f"OMNIA_POLICY_{words}")
            found[value.name] = Effect(other, look, str(other).lower())
    return found


def monitor_effects(block: str, kind: str, name: str, endpoints: str) -> dict[str, Effect]:
    """Return the effects of the values of a ServiceMonitor or PodMonitor."""
    on = nested(f"metrics.{block}.enabled", value=True)
    monitor = f"{kind}/{name}"
    return {
        f"metrics.{block}.enabled": Effect(True, number_of(kind), 1),
        f"metrics.{block}.interval": Effect(
            "5m", at(monitor, "spec", endpoints, 0, "interval"), "5m", on
        ),
        f"metrics.{block}.labels": Effect(
            {"release": "p"}, at(monitor, "metadata", "labels", "release"), "p", on
        ),
    }


ALERTS = nested("metrics.prometheusRule.enabled", value=True)
TRACING = {"tracing": ENABLED["tracing"]}
AGENTS_CLOSED: Object = {"networkPolicy": {"enabled": True, "namespaces": ["agents"]}}
AGENTS, OPERATOR = "NetworkPolicy/omnia-agents", "NetworkPolicy/omnia-operator"
OPERATOR_CLOSED = nested("networkPolicy.operator.enabled", value=True)
HISTORY_POLICY = "NetworkPolicy/omnia-history"
HISTORY_CLOSED = merged(HISTORY, nested("networkPolicy.history.enabled", value=True))
VOLUME = at("Deployment/omnia-operator", *POD, "volumes", 0)
CRD = "CustomResourceDefinition/agentruntimes.omnia.altairalabs.ai"

EFFECTS: dict[str, Effect] = {
    "nameOverride": Effect(
        "ai",
        at("Deployment/omnia-ai-operator", "spec", "selector", "matchLabels"),
        {"app.kubernetes.io/name": "ai-operator", "app.kubernetes.io/instance": "omnia"},
    ),
    "fullnameOverride": Effect(
        "ai",
        lambda objects: {
            each["metadata"]["name"].removeprefix("omnia-system:").split("-")[0]
            for each in objects
            if each["kind"] != "CustomResourceDefinition"
        },
        {"ai"},
        merged(ENABLED, nested("operator.serviceAccount.name", "")),
    ),
    "namespaceOverride": Effect(
        "elsewhere",
        lambda objects: {each["metadata"].get("namespace", "elsewhere") for each in objects},
        {"elsewhere"},
    ),
    "commonLabels": Effect({"team": "a"}, everywhere("labels", "team"), {"a"}, HISTORY),
    "commonAnnotations": Effect({"owner": "a"}, everywhere("annotations", "owner"), {"a"}, HISTORY),
    "crds.install": Effect(False, number_of("CustomResourceDefinition"), 0),
    "crds.keep": Effect(False, at(CRD, "metadata", "annotations"), None),
    "imagePullSecrets": Effect(
        ["one", {"name": "two"}],
        lambda objects: [
            at(name, *path, "imagePullSecrets")(objects)
            for name, *path in (
                ("Deployment/omnia-operator", *POD),
                ("Deployment/omnia-history", *POD),
                ("Pod/omnia-test", "spec"),
            )
        ],
        [[{"name": "one"}, {"name": "two"}]] * 3,
        HISTORY,
    ),
    **workload_effects("operator", {}),
    **workload_effects("history", HISTORY),
    "operator.watchNamespaces": Effect(
        ["one", "two"], variable("OMNIA_WATCH_NAMESPACES"), "one,two"
    ),
    "operator.logLevel": Effect(
        "debug",
        lambda objects: [variable("LOG_LEVEL", each)(objects) for each in ("operator", "history")],
        ["debug", "debug"],
        HISTORY,
    ),
    **agent_effects("facade"),
    **agent_effects("runtime"),
    "agents.allowUnauthenticated": Effect(
        True, variable("OMNIA_AGENTS_ALLOW_UNAUTHENTICATED"), "true"
    ),
    "agents.console": Effect(True, variable("OMNIA_AGENTS_CONSOLE"), "true"),
    "agents.imagePullSecrets": Effect(["a", "b"], variable("OMNIA_IMAGE_PULL_SECRETS"), "a,b"),
    **{
        f"agents.{name}": Effect(value, pod_default(name), value)
        for name, value in {
            "podLabels": {"team": "a"},
            "podAnnotations": {"mesh": "off"},
            "serviceAccountAnnotations": {"role": "arn"},
            "priorityClassName": "high",
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [TERM],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [SPREAD],
        }.items()
    },
    "policy.volumes": Effect([], variable("OMNIA_POLICY_VOLUMES"), ","),
    **policy_effects(),
    "rbac.ownerReferencesPermissionEnforcement": Effect(
        True,
        lambda objects: any(
            "agentruntimes/finalizers" in rule.get("resources", ())
            for role in of_kind(objects, "ClusterRole")
            for rule in role["rules"]
        ),
        True,
    ),
    "istio.enabled": Effect(
        True,
        lambda objects: [
            rule
            for role in of_kind(objects, "ClusterRole")
            for rule in role["rules"]
            if "networking.istio.io" in rule.get("apiGroups", ())
        ],
        [
            {
                "apiGroups": ["networking.istio.io"],
                "resources": ["virtualservices", "destinationrules"],
                "verbs": ["get", "patch"],
            }
        ],
    ),
    "rbac.aggregateClusterRoles": Effect(False, number_of("ClusterRole"), 1),
    "tracing.enabled": Effect(
        True,
        variable("OMNIA_TRACING_ENABLED"),
        "true",
        merged(TRACING, nested("tracing.enabled", value=False)),
    ),
    "tracing.endpoint": Effect(
        "other:4317", variable("OMNIA_TRACING_ENDPOINT"), "other:4317", TRACING
    ),
    "tracing.sampleRate": Effect(0.25, variable("OMNIA_TRACING_SAMPLE_RATE"), "0.25", TRACING),
    "tracing.content": Effect(True, variable("OMNIA_TRACING_CONTENT"), "true", TRACING),
    "tracing.openInference": Effect(True, variable("OMNIA_TRACING_OPENINFERENCE"), "true", TRACING),
    "prometheus.address": Effect(
        "http://p:9090", variable("OMNIA_PROMETHEUS_ADDRESS"), "http://p:9090"
    ),
    "discovery.denyPrivateAddresses": Effect(
        True, variable("OMNIA_DISCOVERY_DENY_PRIVATE_ADDRESSES"), "true"
    ),
    "discovery.proxy.http": Effect("http://p:1", variable("HTTP_PROXY"), "http://p:1"),
    "discovery.proxy.https": Effect("http://p:2", variable("HTTPS_PROXY"), "http://p:2"),
    "discovery.proxy.noProxy": Effect(
        [".svc", "10.0.0.0/8"], variable("NO_PROXY"), ".svc,10.0.0.0/8"
    ),
    "discovery.caBundle.configMapName": Effect(
        "bundle",
        lambda objects: (
            VOLUME(objects),
            at("Deployment/omnia-operator", *CONTAINER, "volumeMounts", 0, "name")(objects),
            (variable("OMNIA_DISCOVERY_CA_FILE")(objects) or "").startswith(
                at("Deployment/omnia-operator", *CONTAINER, "volumeMounts", 0, "mountPath")(objects)
                or "none"
            ),
        ),
        (
            {
                "name": "discovery-ca",
                "configMap": {"name": "bundle", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
            },
            "discovery-ca",
            True,
        ),
    ),
    "discovery.caBundle.secretName": Effect(
        "bundle",
        lambda objects: (VOLUME(objects) or {}).get("secret", {}).get("secretName"),
        "bundle",
    ),
    "discovery.caBundle.key": Effect(
        "root.pem",
        lambda objects: VOLUME(objects)["configMap"]["items"],
        [{"key": "root.pem", "path": "ca.crt"}],
        nested("discovery.caBundle.configMapName", "bundle"),
    ),
    **monitor_effects("serviceMonitor", "ServiceMonitor", "omnia-operator", "endpoints"),
    **monitor_effects("podMonitor", "PodMonitor", "omnia-agents", "podMetricsEndpoints"),
    "metrics.prometheusRule.enabled": Effect(True, number_of("PrometheusRule"), 1),
    "metrics.prometheusRule.labels": Effect(
        {"release": "p"},
        at("PrometheusRule/omnia-operator", "metadata", "labels", "release"),
        "p",
        ALERTS,
    ),
    **{
        value.name: Effect(1234, alert(value.path[-1]), "1234", ALERTS)
        for value in chart_values(CHART)
        if "thresholds" in value.path
    },
    "metrics.dashboard.enabled": Effect(True, number_of("ConfigMap"), 1),
    "metrics.dashboard.labels": Effect(
        {"folder": "ai"},
        at("ConfigMap/omnia-dashboard", "metadata", "labels", "folder"),
        "ai",
        nested("metrics.dashboard.enabled", value=True),
    ),
    "history.enabled": Effect(
        True,
        lambda objects: (
            {"Deployment/omnia-history", "Service/omnia-history"} <= set(named(objects))
        ),
        True,
        merged(HISTORY, nested("history.enabled", value=False)),
    ),
    "history.namespace": Effect(
        "shop",
        lambda objects: (
            variable("OMNIA_HISTORY_NAMESPACE", "history")(objects),
            at("Service/omnia-history", "metadata", "labels")(objects)[
                "omnia.altairalabs.ai/history-of"
            ],
        ),
        ("shop", "shop"),
        HISTORY,
    ),
    **{
        f"history.database.{value}": Effect(
            "other",
            at(
                "Deployment/omnia-history",
                *(*CONTAINER, "env", 0, "valueFrom", "secretKeyRef", key),
            ),
            "other",
            HISTORY,
        )
        for value, key in (("secretName", "name"), ("key", "key"))
    },
    "history.tokenNamespaces": Effect(
        ["a", "b"], variable("OMNIA_HISTORY_TOKEN_NAMESPACES", "history"), "a,b", HISTORY
    ),
    "networkPolicy.enabled": Effect(
        True,
        number_of("NetworkPolicy"),
        1,
        merged(AGENTS_CLOSED, nested("networkPolicy.enabled", value=False)),
    ),
    "networkPolicy.namespaces": Effect(
        ["a", "b"],
        lambda objects: [
            each["metadata"]["namespace"] for each in of_kind(objects, "NetworkPolicy")
        ],
        ["a", "b"],
        AGENTS_CLOSED,
    ),
    "networkPolicy.clients": Effect(
        PEERS, at(AGENTS, "spec", "ingress", 0, "from"), PEERS, AGENTS_CLOSED
    ),
    "networkPolicy.peers": Effect(
        True, at(AGENTS, "spec", "ingress", 2, "ports"), [{"port": "facade"}], AGENTS_CLOSED
    ),
    "networkPolicy.scrapers": Effect(
        PEERS, at(AGENTS, "spec", "ingress", 2, "from"), PEERS, AGENTS_CLOSED
    ),
    "networkPolicy.egress": Effect(RULES, at(AGENTS, "spec", "egress", 0), RULES[0], AGENTS_CLOSED),
    "networkPolicy.operator.enabled": Effect(True, number_of("NetworkPolicy"), 1),
    "networkPolicy.operator.scrapers": Effect(
        PEERS, at(OPERATOR, "spec", "ingress", 0, "from", 1), PEERS[0], OPERATOR_CLOSED
    ),
    "networkPolicy.operator.egress": Effect(
        RULES, at(OPERATOR, "spec", "egress", 0), RULES[0], OPERATOR_CLOSED
    ),
    "networkPolicy.history.enabled": Effect(True, number_of("NetworkPolicy"), 1, HISTORY),
    "networkPolicy.history.clients": Effect(
        PEERS, at(HISTORY_POLICY, "spec", "ingress", 0, "from"), PEERS, HISTORY_CLOSED
    ),
    "networkPolicy.history.egress": Effect(
        RULES, at(HISTORY_POLICY, "spec", "egress", 0), RULES[0], HISTORY_CLOSED
    ),
}
