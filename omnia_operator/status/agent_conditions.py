"""Conditions of an AgentRuntime that do not affect whether its pods run."""

from collections.abc import Iterator, Mapping

from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_operator.api.agentruntime import AgentRuntime, AgentRuntimeSpec
from omnia_operator.api.session import SessionSpec
from omnia_operator.api.sessionretentionpolicy import RetentionBounds
from omnia_operator.plan.auth import audience
from omnia_operator.resolve import EXTERNAL_AUTH, OIDC_KEYS, Problem, Resolved, RetentionPolicy
from omnia_operator.status.conditions import ConditionUpdate, false, true

CARD_SIGNED = "CardSigned"
MEDIA_READY = "MediaReady"
SESSION_RETENTION = "SessionRetention"
UNAUTHENTICATED = "Unauthenticated"
OBJECTS_IN_SYNC = "ObjectsInSync"

SESSION_STORE_READY = "SessionStoreReady"
SESSION_STORE_UNREACHABLE = "SessionStoreUnreachable"

_OPEN_TO_ALL = (
    "the agent accepts requests without credentials, which is for development only: remove"
    " agents.allowUnauthenticated from the chart's values, or"
    f" {FacadeEnv.variable('allow_unauthenticated')} from facade.extraEnv or the Deployment"
)
_CLOSED_TO_ALL = (
    "the agent accepts no credentials: enable management, clientKeys, oidc or edgeTrust in"
    " spec.externalAuth"
)
_NO_PUBLIC_ADDRESS = (
    "the agent card is not signed, because it names the address of each request: set"
    " facade.publicURL or facade.expose"
)
_KEPT_WITH_POD = (
    "uploads are deleted with the pod, because facade.media.persistentVolumeClaim is not set"
)
_NOT_SHARED = (
    "each pod keeps its own uploads, and other pods cannot read them: set"
    " facade.media.persistentVolumeClaim to a ReadWriteMany claim, or run one replica without"
    " autoscaling"
)
_POLICY_VARIABLES = frozenset(
    RuntimeEnv.variable(f"retention_{field}")
    for field in ("ttl", "days", "max_messages", "dry_run")
)


def unreachable_store(pod: str, failure: str) -> Problem:
    """Return the problem that a pod cannot reach its session store."""
    message = (
        f"pod {pod}: {failure}; turns fail until it answers: check the server, the Secret of"
        " spec.session.storeRef, and network policies"
    )
    return Problem(SESSION_STORE_READY, SESSION_STORE_UNREACHABLE, message, retry=False)


def auth_conditions(
    agent: AgentRuntime, problems: Mapping[str, Problem], *, is_open: bool
) -> Iterator[ConditionUpdate]:
    """Yield the conditions about credentials."""
    problem, rules = problems.get(EXTERNAL_AUTH), agent.spec.external_auth
    data_plane = [
        name
        for name, block in (
            ("clientKeys", rules.client_keys),
            ("oidc", rules.oidc),
            ("edgeTrust", rules.edge_trust),
        )
        if block is not None
    ]
    if is_open:
        yield open_to_all()
    elif problem is not None:
        yield false(EXTERNAL_AUTH, problem.reason, problem.message)
    elif data_plane:
        accepted = (*(("management",) if rules.management.enabled else ()), *data_plane)
        yield true(EXTERNAL_AUTH, "DataPlaneConfigured", f"accepted: {', '.join(accepted)}")
    elif rules.management.enabled:
        wanted = audience(*agent.key)
        yield true(EXTERNAL_AUTH, "DashboardOnly", f"accepted: ServiceAccount tokens for {wanted}")
    else:
        yield false(EXTERNAL_AUTH, "Unreachable", _CLOSED_TO_ALL)
    if rules.oidc is not None:
        keys = problems.get(OIDC_KEYS)
        yield (
            true(OIDC_KEYS, "JWKSFetched")
            if keys is None
            else false(OIDC_KEYS, keys.reason, keys.message)
        )


def open_to_all() -> ConditionUpdate:
    """Return the condition about credentials of an agent that needs none."""
    return false(EXTERNAL_AUTH, UNAUTHENTICATED, _OPEN_TO_ALL)


def card_conditions(resolved: Resolved) -> Iterator[ConditionUpdate]:
    """Yield the condition about the signature of the agent card, if there has to be one."""
    door, key = resolved.agent.spec.facade.a2a, resolved.card_key
    if door is None or not door.enabled or door.signing is None:
        return
    if key is None:
        yield false(CARD_SIGNED, "NoPublicAddress", _NO_PUBLIC_ADDRESS)
    elif key.problem:
        yield false(CARD_SIGNED, "KeyNotUsable", f"the agent card is not signed: {key.problem}")
    else:
        yield true(CARD_SIGNED, "Signed")


def media_conditions(agent: AgentRuntime) -> Iterator[ConditionUpdate]:
    """Yield the condition about uploads, if clients may upload."""
    media, workload = agent.spec.facade.media, agent.spec.runtime
    if media is None or not media.enabled:
        return
    scaling = workload.autoscaling
    most = scaling.max_replicas if scaling and scaling.enabled else workload.replicas
    if media.persistent_volume_claim is not None:
        yield true(MEDIA_READY, "PersistentVolumeClaim")
    elif most > 1:
        yield false(MEDIA_READY, "NotShared", _NOT_SHARED)
    else:
        yield true(MEDIA_READY, "SinglePod", _KEPT_WITH_POD)


def retention_conditions(resolved: Resolved) -> Iterator[ConditionUpdate]:
    """Yield the condition about the SessionRetentionPolicy in force, if there is one."""
    policy = resolved.retention
    if policy is None:
        return
    spec = resolved.agent.spec
    bounds = "; ".join(_bounds(policy, spec.session))
    name = f'SessionRetentionPolicy "{policy.name}"'
    own = ", ".join(
        f"{variable} of spec.{container}.extraEnv"
        for container, _, variable in overriding(spec, policy.bounds)
    )
    if own:
        message = f"{name} is overridden by {own}: remove it to apply the policy"
        yield false(SESSION_RETENTION, "Overridden", message)
    elif policy.bounds.dry_run:
        yield true(SESSION_RETENTION, "DryRun", f"{name} is a dry run, nothing changes: {bounds}")
    else:
        yield true(SESSION_RETENTION, "Enforced", f"{name}: {bounds}")


def overriding(spec: AgentRuntimeSpec, bounds: RetentionBounds) -> Iterator[tuple[str, int, str]]:
    """Yield container, index and name of each entry of `extraEnv` that overrides a policy.

    The user's own variables have precedence over those of the operator.
    """
    bounds_time = bounds.ttl_after_inactive is not None or bounds.retention_days is not None
    ttl = {FacadeEnv.variable("session_ttl")} if bounds_time else set()
    for container, variables, of_policy in (
        ("facade", spec.facade.extra_env, ttl),
        ("runtime", spec.runtime.extra_env, ttl | _POLICY_VARIABLES),
    ):
        for index, variable in enumerate(variables):
            if variable.name in of_policy:
                yield container, index, variable.name


def _bounds(policy: RetentionPolicy, session: SessionSpec) -> Iterator[str]:
    bounds, own = policy.bounds, session.ttl
    bound = policy.retention.bounded(own)
    instead = "" if bound == own else f", instead of {own}"
    yield f"sessions end {bound} after their last use{instead}"
    if bounds.retention_days is not None and session.type.keeps_history:
        yield f"their data is deleted {bounds.retention_days} days after it"
    elif bounds.retention_days is not None:
        yield f"retentionDays has no effect: {session.type.value} keeps no data of ended sessions"
    if bounds.max_messages_per_session is not None:
        yield f"{bounds.max_messages_per_session} messages of each are kept"
