"""The session block of an AgentRuntime."""

from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.env import SessionType
from omnia_core.units import Duration
from omnia_operator.api.meta import LocalRef, VolumeClaim
from omnia_operator.api.model import (
    DurationField,
    Label,
    Model,
)
from omnia_operator.api.rules import rule


class SessionNaming(Model):
    """How sessions get names: beside the answer, by one extra call of a model."""

    enabled: bool = False
    """Whether sessions get names."""
    every_turns: Annotated[int, Field(ge=1, le=1000)] = 20
    """After how many turns a session gets another name. It has its first one with its first
    turn."""
    max_words: Annotated[int, Field(ge=1, le=20)] = 5
    """Longest name, in words."""
    max_length: Annotated[int, Field(ge=5, le=200)] = 50
    """Longest name, in characters."""
    provider: Label | None = None
    """Logical name of the provider that makes the names; without it, the one that answers."""


class SessionSpec(Model):
    """How conversations are stored."""

    type: SessionType = SessionType.MEMORY
    """Where conversations are stored. With `memory` they are lost with the pod; `sqlite` is a file
    on a volume, for agents with one pod."""
    ttl: DurationField = Duration.parse("24h")
    """How long a conversation is kept after its last message. A SessionRetentionPolicy of the
    namespace may shorten this time."""
    store_ref: LocalRef | None = None
    """Secret with the key `url`, the address of the store. Required for `redis`, `postgres` and
    `mongodb`."""
    persistent_volume_claim: VolumeClaim | None = None
    """The volume with the file of `sqlite`. Required for it in a cluster; `omnia up` keeps the file
    in a folder of its own."""
    naming: SessionNaming | None = None
    """Short names by which people find sessions."""
    keep_variables: bool | None = None
    """Whether the values of the prompt's variables are stored with each message, so that the
    console can compose the prompt of a past turn. They may be personal data, and are deleted with
    the session. Without it, a cluster stores none and `omnia up` does."""

    store_has_an_address: ClassVar = rule(
        "redis, postgres and mongodb need an address: add storeRef with the name of a Secret that"
        " has the key url",
        cel="self.type in ['memory', 'sqlite'] || has(self.storeRef)",
        at="storeRef",
    )
    claim_has_a_file: ClassVar = rule(
        "only sqlite keeps conversations on a volume: remove persistentVolumeClaim, or set"
        " type: sqlite",
        cel="self.type == 'sqlite' || !has(self.persistentVolumeClaim)",
        at="persistentVolumeClaim",
    )
