"""The session block of an AgentRuntime."""

from typing import ClassVar

from omnia_core.env import SessionType
from omnia_core.units import Duration
from omnia_operator.api.meta import LocalRef
from omnia_operator.api.model import (
    DurationField,
    Model,
)
from omnia_operator.api.rules import rule


class SessionSpec(Model):
    """How conversations are stored."""

    type: SessionType = SessionType.MEMORY
    """Where conversations are stored. With `memory` they are lost with the pod."""
    ttl: DurationField = Duration.parse("24h")
    """How long a conversation is kept after its last message. A SessionRetentionPolicy of the
    namespace may shorten this time."""
    store_ref: LocalRef | None = None
    """Secret with the key `url`, the address of the store. Required for `redis` and `postgres`."""

    store_has_an_address: ClassVar = rule(
        "redis and postgres need an address: add storeRef with the name of a Secret that has"
        " the key url",
        cel="self.type == 'memory' || has(self.storeRef)",
        at="storeRef",
    )
