"""What the operator does with each kind, and so is allowed to do."""

from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CUSTOM,
    EVENT,
    OWNED,
    POD,
    ROUTING,
    ObjectKind,
)

# kopf watches for kinds that are installed later.
DEFINITION = ObjectKind("apiextensions.k8s.io", "v1", "", "customresourcedefinitions")
VERBS: dict[ObjectKind, set[str]] = {
    **{kind: {"list", "watch"} for kind in (*CUSTOM, DEFINITION)},
    # A promotion is written into the spec.
    AGENT_RUNTIME: {"list", "watch", "patch"},
    **{kind: {"get", "list", "watch", "create", "patch", "delete"} for kind in OWNED},
    POD: {"list", "watch", "patch"},
    EVENT: {"create"},
}
ISTIO_VERBS: dict[ObjectKind, set[str]] = {kind: {"get", "patch"} for kind in ROUTING}
"""With `istio.enabled` only."""
ISSUER_PATHS = ["/.well-known/openid-configuration", "/openid/v1/jwks"]
STATUSES = {(kind.group, f"{kind.plural}/status"): {"patch"} for kind in CUSTOM}
