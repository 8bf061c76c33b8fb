"""The fields of an agent's objects that nobody else may add to.

A list that a manifest writes is the operator's whole, in every object: it is not in this table. The
table has the maps of which this holds too, and the fields that stay absent if the manifest lacks
them. All others belong to Kubernetes, which fills in defaults, and to those who need them: see
"What others may change" in docs/reference/conditions.md.
"""

from collections.abc import Iterator, Mapping

from omnia_operator.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    PDB,
    SCALED_OBJECT,
    SECRET,
    SERVICE,
    ObjectKind,
)

WHOLE = "*"
"""Last part of a path: every key of the map is the operator's."""

_POD = "spec.template.spec"
_POD_FIELDS = (
    "activeDeadlineSeconds",
    "affinity",
    "dnsConfig",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "imagePullSecrets",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "nodeSelector.*",
    "runtimeClassName",
    "securityContext.supplementalGroups",
    "securityContext.sysctls",
    "shareProcessNamespace",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
)
_CONTAINER_FIELDS = (
    "args",
    "command",
    "env",
    "env.value",
    "env.valueFrom",
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources.*",
    "resources.limits.*",
    "resources.requests.*",
    "restartPolicy",
    "securityContext.capabilities.*",
    "securityContext.privileged",
    "securityContext.runAsGroup",
    "securityContext.runAsNonRoot",
    "securityContext.runAsUser",
    "securityContext.seccompProfile",
    "startupProbe",
    "volumeDevices",
    "volumeMounts",
    "volumeMounts.subPath",
    "volumeMounts.subPathExpr",
    "workingDir",
)


def _deployment() -> Iterator[str]:
    yield "spec.selector.*"
    yield "spec.selector.matchLabels.*"
    for field in _POD_FIELDS:
        yield f"{_POD}.{field}"
    for field in _CONTAINER_FIELDS:
        yield f"{_POD}.containers.{field}"
        yield f"{_POD}.initContainers.{field}"


HELD: Mapping[ObjectKind, frozenset[str]] = {
    CONFIG_MAP: frozenset({"binaryData", "data", "data.*"}),
    SECRET: frozenset({"data", "data.*"}),
    SERVICE: frozenset(
        {
            # loadBalancerClass and loadBalancerIP have no effect on a ClusterIP, and controllers of
            # load balancers fill them in on a LoadBalancer.
            "spec.externalIPs",
            "spec.externalName",
            "spec.loadBalancerSourceRanges",
            "spec.publishNotReadyAddresses",
            "spec.selector.*",
        }
    ),
    DEPLOYMENT: frozenset(_deployment()),
    INGRESS: frozenset({"spec.defaultBackend", "spec.tls"}),
    HTTP_ROUTE: frozenset(
        {
            "spec.parentRefs.namespace",
            "spec.parentRefs.port",
            "spec.parentRefs.sectionName",
            "spec.rules.backendRefs.filters",
            "spec.rules.backendRefs.namespace",
            "spec.rules.filters",
            "spec.rules.matches.headers",
            "spec.rules.matches.method",
            "spec.rules.matches.queryParams",
            "spec.rules.timeouts",
            "spec.rules.timeouts.*",
        }
    ),
    PDB: frozenset({"spec.selector.*", "spec.selector.matchLabels.*"}),
    SCALED_OBJECT: frozenset(
        {
            "spec.advanced",
            "spec.fallback",
            "spec.idleReplicaCount",
            "spec.triggers.authenticationRef",
            "spec.triggers.metadata.*",
        }
    ),
}
"""For each kind the paths without the names of list entries."""

KEPT_FALSE = frozenset(
    {
        "automountServiceAccountToken",
        "allowPrivilegeEscalation",
        "enableServiceLinks",
    }
)
"""Fields that the API server keeps when they are false: without them, they are true."""
