"""The port of the hub to what runs: on this machine, or in a cluster."""

from enum import StrEnum
from typing import Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from omnia_core.jsonvalue import JsonObject


class HubState(StrEnum):
    """Whether an agent can be asked."""

    READY = "ready"
    STARTING = "starting"
    FAILED = "failed"


class HubAgent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent or function, as far as it is known before it is asked.

    Attributes:
        base: where it is served, relative to the hub's page.
        message: why it does not run, or what of its manifests is not in use.
        model: of its first provider.
        version: of its PromptPack, for new conversations.
    """

    namespace: str
    name: str
    mode: str
    state: HubState
    base: str = ""
    message: str = ""
    description: str = ""
    model: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        if not self.base:
            base = f"agents/{self.namespace}/{self.name}/"
            msgspec.structs.force_setattr(self, "base", base)


class KeptConversations(Struct, frozen=True, kw_only=True):
    """Where conversations are kept; "" when they are only in the agents' memory."""

    path: str
    ephemeral: bool


class Overview(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What runs.

    Attributes:
        title: the folder of the manifests, or the namespace.
        since: the time of the start (RFC 3339).
        has_history: whether the hub leads to a history.
        notes: what could not be found out, and why.
    """

    title: str
    since: str
    agents: tuple[HubAgent, ...]
    has_history: bool = False
    kept: KeptConversations | UnsetType = UNSET
    notes: tuple[str, ...] = ()


class Upstream(Struct, frozen=True):
    """The server to which requests are passed on; they get its token, unless that is ""."""

    port: int
    token: str = ""


class NotRunning(Exception):
    """The server cannot be asked; the message says why."""


class Directory(Protocol):
    """Knows what runs, and where."""

    async def overview(self) -> Overview:
        """Describe what runs."""

    async def agent(self, namespace: str, name: str) -> Upstream | None:
        """Return the facade of an agent, None if there is no such agent.

        Raises:
            NotRunning: it does not run.
        """

    async def history(self) -> Upstream | None:
        """Return the history, None if there is none.

        Raises:
            NotRunning: it does not run.
        """

    async def inside(self, namespace: str, name: str) -> JsonObject | None:
        """Return what an agent is made of, None where its facade tells that itself.

        Raises:
            NotRunning: the agent cannot be read.
        """
