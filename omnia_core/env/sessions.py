"""The variables that both programs of a pod have for the session store."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta

from omnia_core.env.contract import Secret


class SessionType(StrEnum):
    """Where sessions are kept."""

    MEMORY = "memory"
    REDIS = "redis"
    POSTGRES = "postgres"


SessionTypeField: TypeAlias = Annotated[SessionType, Meta(description="Where sessions are kept.")]
SessionUrl: TypeAlias = Annotated[Secret | None, Meta(description="URL of the session store.")]
