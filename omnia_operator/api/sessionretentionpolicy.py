"""SessionRetentionPolicy: limits how long the sessions of a namespace are kept."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.names import Kind
from omnia_operator.api.meta import AGE, PrinterColumn, Resource, Status
from omnia_operator.api.model import DurationField, Model
from omnia_operator.api.rules import rule


class RetentionBounds(Model):
    """Limits of what is kept of a session."""

    ttl_after_inactive: DurationField | None = None
    """How long after its last use a session can be continued. A shorter `session.ttl` of an agent
    has precedence."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days after the last use of a session until its messages and its audit trail are deleted. In
    PostgreSQL, MongoDB and SQLite they outlive the end of the session until then. In Redis and in
    memory nothing does, and the number only limits how long a session can be continued."""
    max_messages_per_session: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Largest number of messages of a session: beyond it the oldest turns are deleted as a whole,
    but never the newest turn."""
    dry_run: bool = False
    """Whether sessions and messages that would end or be deleted are only counted."""


class SessionRetentionPolicySpec(RetentionBounds):
    """Desired state of a SessionRetentionPolicy."""

    something_is_bounded: ClassVar = rule(
        "a policy without a bound keeps everything: add at least one of ttlAfterInactive,"
        " retentionDays and maxMessagesPerSession",
        cel="has(self.ttlAfterInactive) || has(self.retentionDays) ||"
        " has(self.maxMessagesPerSession)",
    )

    sessions_can_be_continued: ClassVar = rule(
        "ttlAfterInactive must leave time for the next message, and end: set it to 1s or more, and"
        " to 87600h (ten years) at most",
        cel="!has(self.ttlAfterInactive) || (duration(self.ttlAfterInactive) >= duration('1s') &&"
        " duration(self.ttlAfterInactive) <= duration('87600h'))",
        at="ttlAfterInactive",
    )


class RetentionPhase(StrEnum):
    """Phase of a SessionRetentionPolicy."""

    ACTIVE = "Active"
    DRY_RUN = "DryRun"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


class SessionRetentionPolicyStatus(Status):
    """Observed state of a SessionRetentionPolicy. Conditions: `Active`, `Effective`."""

    phase: RetentionPhase | None = None
    """Phase of the policy."""
    agents: int | None = None
    """Number of AgentRuntimes of the namespace that it applies to, functions included."""
    last_valid_spec: RetentionBounds | None = None
    """The last valid spec. It stays in force while the present one is invalid."""


class SessionRetentionPolicy(Resource):
    """SessionRetentionPolicy limits how long the sessions of the agents and functions of its
    namespace are kept.
    """

    kind_name: ClassVar = Kind.SESSION_RETENTION_POLICY
    plural: ClassVar = "sessionretentionpolicies"
    short_names: ClassVar = ("srp",)
    columns: ClassVar = (
        PrinterColumn(name="TTL", type="string", json_path=".spec.ttlAfterInactive"),
        PrinterColumn(name="Days", type="integer", json_path=".spec.retentionDays"),
        PrinterColumn(name="Messages", type="integer", json_path=".spec.maxMessagesPerSession"),
        PrinterColumn(name="Phase", type="string", json_path=".status.phase"),
        PrinterColumn(name="Agents", type="integer", json_path=".status.agents"),
        AGE,
    )

    spec: SessionRetentionPolicySpec
    """Desired state."""
    status: SessionRetentionPolicyStatus | None = None
    """Observed state, written by the operator."""
