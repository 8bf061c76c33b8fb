"""What the status of an agent says of the SessionRetentionPolicy of its namespace."""

from collections.abc import Iterator

from omnia_core.env import FacadeEnv, RuntimeEnv
from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.session import Session, SessionType
from omnia_operator.api.sessionretentionpolicy import RetentionBounds
from omnia_operator.resolve import Resolved, RetentionPolicy
from omnia_operator.status.conditions import Verdict, false, true

SESSION_RETENTION = "SessionRetention"

_POLICY = frozenset(
    RuntimeEnv.variable(f"retention_{each}") for each in ("ttl", "days", "max_messages", "dry_run")
)


def retention_verdicts(resolved: Resolved) -> Iterator[Verdict]:
    """Yield the condition about the policy that is in force, if there is one."""
    policy = resolved.retention
    if policy is None:
        return
    spec = resolved.agent.spec
    said = "; ".join(_bounds(policy, spec.session))
    name = f'SessionRetentionPolicy "{policy.name}"'
    own = ", ".join(
        f"{variable} of spec.{container}.extraEnv"
        for container, _, variable in overriding(spec, policy.bounds)
    )
    if own:
        instead = f"{name} is overridden by {own}: remove that, and the policy holds as written"
        yield false(SESSION_RETENTION, "Overridden", instead)
    elif policy.bounds.dry_run:
        yield true(SESSION_RETENTION, "DryRun", f"{name} is only counted, not done: {said}")
    else:
        yield true(SESSION_RETENTION, "Enforced", f"{name}: {said}")


def overriding(spec: AgentRuntimeSpec, bounds: RetentionBounds) -> Iterator[tuple[str, int, str]]:
    """Yield container, index and name of each entry of `extraEnv` that takes the place of what the
    operator makes of a policy: the user's own variables win.
    """
    bounds_time = bounds.ttl_after_inactive is not None or bounds.retention_days is not None
    ttl = {FacadeEnv.variable("session_ttl")} if bounds_time else set()
    for container, given, telling in (
        ("facade", spec.facade.extra_env, ttl),
        ("runtime", spec.runtime.extra_env, ttl | _POLICY),
    ):
        for index, each in enumerate(given):
            if each.name in telling:
                yield container, index, each.name


def _bounds(policy: RetentionPolicy, session: Session) -> Iterator[str]:
    bounds, own = policy.bounds, session.ttl
    bound = policy.retention.bounded(own)
    instead = "" if bound == own else f", instead of {own}"
    yield f"sessions end {bound} after their last use{instead}"
    if bounds.retention_days is not None and session.type is SessionType.POSTGRES:
        yield f"what is kept of them is deleted {bounds.retention_days} days after it"
    elif bounds.retention_days is not None:
        yield f"sessions in {session.type.value} leave nothing that retentionDays could keep"
    if bounds.max_messages_per_session is not None:
        yield f"{bounds.max_messages_per_session} messages of each are kept"
