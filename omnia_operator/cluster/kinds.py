"""The kinds of objects that the operator reads or writes."""

from dataclasses import dataclass

from omnia_core.names import GROUP, VERSION, Kind
from omnia_operator.api.crd import RESOURCES


@dataclass(frozen=True)
class ObjectKind:
    """A kind as the API server knows it."""

    group: str
    version: str
    name: str
    plural: str

    @property
    def api_version(self) -> str:
        """Group and version as a manifest writes them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return self.name


_OURS = {resource.kind_name: resource.plural for resource in RESOURCES}

CUSTOM = tuple(
    ObjectKind(GROUP, VERSION, kind.value, _OURS[kind])
    for kind in (
        Kind.AGENT_RUNTIME,
        Kind.PROMPT_PACK,
        Kind.TOOL_REGISTRY,
        Kind.PROVIDER,
        Kind.SESSION_RETENTION_POLICY,
        Kind.ROLLOUT_ANALYSIS,
    )
)
(
    AGENT_RUNTIME,
    PROMPT_PACK,
    TOOL_REGISTRY,
    PROVIDER,
    SESSION_RETENTION_POLICY,
    ROLLOUT_ANALYSIS,
) = CUSTOM
CONFIG_MAP = ObjectKind("", "v1", "ConfigMap", "configmaps")
DEPLOYMENT = ObjectKind("apps", "v1", "Deployment", "deployments")
DESTINATION_RULE = ObjectKind("networking.istio.io", "v1", "DestinationRule", "destinationrules")
EVENT = ObjectKind("", "v1", "Event", "events")
HPA = ObjectKind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
HTTP_ROUTE = ObjectKind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
INGRESS = ObjectKind("networking.k8s.io", "v1", "Ingress", "ingresses")
LEASE = ObjectKind("coordination.k8s.io", "v1", "Lease", "leases")
PDB = ObjectKind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
POD = ObjectKind("", "v1", "Pod", "pods")
SCALED_OBJECT = ObjectKind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
SECRET = ObjectKind("", "v1", "Secret", "secrets")
SERVICE = ObjectKind("", "v1", "Service", "services")
SERVICE_ACCOUNT = ObjectKind("", "v1", "ServiceAccount", "serviceaccounts")
VIRTUAL_SERVICE = ObjectKind("networking.istio.io", "v1", "VirtualService", "virtualservices")

ROUTING = (VIRTUAL_SERVICE, DESTINATION_RULE)
"""Objects of users in which a rollout sets weights. They are read while it runs, and not watched:
a mesh has thousands of them."""

OWNED = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    SECRET,
    SERVICE,
    DEPLOYMENT,
    PDB,
    HPA,
    SCALED_OBJECT,
    INGRESS,
    HTTP_ROUTE,
)
"""The objects of an agent, in the order of their creation: pods need those before them."""

WATCHED = (*CUSTOM, *OWNED, POD)

# Resources may refer to any object of these kinds.
_UNLABELLED = (CONFIG_MAP, SECRET, SERVICE)
LABELLED = frozenset(kind for kind in (*OWNED, POD) if kind not in _UNLABELLED)
"""Kinds of which only the operator's own objects are watched."""

OPTIONAL = frozenset({SCALED_OBJECT, HTTP_ROUTE, SESSION_RETENTION_POLICY, ROLLOUT_ANALYSIS})
"""Kinds that a cluster may lack: KEDA's, the Gateway API's, and those that an older chart does not
have."""

_BY_NAME = {(kind.api_version, kind.name): kind for kind in (*WATCHED, *ROUTING, EVENT, LEASE)}


def kind_of(api_version: str, name: str) -> ObjectKind:
    """Return a kind by the apiVersion and kind of its manifests.

    Raises:
        KeyError: the operator does not use the kind.
    """
    return _BY_NAME[api_version, name]
