"""What a SessionRetentionPolicy makes of an agent's environment."""

import msgspec

from omnia_core.env import RuntimeEnv
from omnia_core.units import Duration
from omnia_operator.resolve import Resolved


def session_ttl(resolved: Resolved) -> Duration:
    """Return how long after its last use a session can be continued."""
    own, policy = resolved.agent.spec.session.ttl, resolved.retention
    if policy is None or policy.bounds.dry_run:
        return own
    return policy.retention.bounded(own)


def bounded(resolved: Resolved, env: RuntimeEnv) -> RuntimeEnv:
    """Tell the runtime which policy is in force, as it is written."""
    if resolved.retention is None:
        return env
    policy = resolved.retention.retention
    return msgspec.structs.replace(
        env,
        retention_ttl=policy.ttl,
        retention_days=policy.days,
        retention_max_messages=policy.max_messages,
        retention_dry_run=policy.dry_run,
    )
