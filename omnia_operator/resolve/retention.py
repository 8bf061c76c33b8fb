"""Chooses the SessionRetentionPolicy of a namespace."""

from collections.abc import Iterable
from dataclasses import dataclass

from omnia_core.sessions.retention import Retention
from omnia_operator.api.sessionretentionpolicy import RetentionBounds, SessionRetentionPolicy


@dataclass(frozen=True)
class RetentionPolicy:
    """A SessionRetentionPolicy that can be in force."""

    namespace: str
    name: str
    created: str
    """When it was created, RFC 3339; "" without a cluster."""
    bounds: RetentionBounds

    @classmethod
    def of(cls, resource: SessionRetentionPolicy) -> "RetentionPolicy":
        """Return the policy of a valid resource."""
        metadata = resource.metadata
        created = metadata.creation_timestamp or ""
        return cls(metadata.namespace, metadata.name, created, resource.spec)

    @property
    def retention(self) -> Retention:
        """The policy in the form of the runtime's environment."""
        return Retention(
            ttl=self.bounds.ttl_after_inactive,
            days=self.bounds.retention_days,
            max_messages=self.bounds.max_messages_per_session,
            dry_run=self.bounds.dry_run,
        )


def in_force(namespace: str, policies: Iterable[RetentionPolicy]) -> RetentionPolicy | None:
    """Return the policy in force in a namespace: the oldest; None without any."""
    here = [policy for policy in policies if policy.namespace == namespace]
    return min(here, key=lambda policy: (policy.created, policy.name), default=None)
