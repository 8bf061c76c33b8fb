"""The SessionRetentionPolicy that holds for the agents of a namespace."""

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
        """Take a policy whose spec is valid."""
        metadata = resource.metadata
        created = metadata.creation_timestamp or ""
        return cls(metadata.namespace, metadata.name, created, resource.spec)

    @property
    def retention(self) -> Retention:
        """What the policy says, as a pod is told."""
        return Retention(
            ttl=self.bounds.ttl_after_inactive,
            days=self.bounds.retention_days,
            max_messages=self.bounds.max_messages_per_session,
            dry_run=self.bounds.dry_run,
        )


def in_force(namespace: str, policies: Iterable[RetentionPolicy]) -> RetentionPolicy | None:
    """Return the policy that holds in a namespace: the oldest; None without any."""
    here = [each for each in policies if each.namespace == namespace]
    return min(here, key=lambda each: (each.created, each.name), default=None)
