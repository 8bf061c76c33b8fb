"""The protocols that an agent is served by, besides WebSocket."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.units import Duration
from omnia_operator.api.meta import SecretKey
from omnia_operator.api.model import (
    DurationField,
    HttpUrl,
    Model,
    ObjectName,
    Text,
    list_map,
)
from omnia_operator.api.rules import rule

MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+$"
MCP_TOOL_NAME = r"^[A-Za-z0-9_.-]+$"
# An origin as a browser sends it, or every one.
ORIGIN = r"^(\*|https?://[^/\s]+)$"

MediaType = Annotated[str, Field(max_length=255, pattern=MEDIA_TYPE)]
OriginField = Annotated[str, Field(max_length=512, pattern=ORIGIN)]


class DoorName(StrEnum):
    """A protocol that needs no block of its own."""

    CHAT = "chat"
    OPENAI = "openai"
    AGUI = "agui"


class A2AVersion(StrEnum):
    """A version of A2A."""

    V1_0 = "1.0"
    V0_3 = "0.3"


class A2ASkill(Model):
    """Something that the agent can do, as other agents read it."""

    id: Text
    """Identifies the skill."""
    name: Text
    """What people see."""
    description: Text
    """What it does."""
    tags: tuple[Text, ...] = Field(min_length=1, max_length=32)
    """Words by which it is found."""
    examples: tuple[Text, ...] = Field(default=(), max_length=16)
    """Messages that it answers."""
    private: bool = False
    """Whether only callers with a credential see it, in the extended card."""


class A2ACapabilities(Model):
    """What clients of A2A may use."""

    streaming: bool = True
    """Whether answers are streamed."""
    push_notifications: bool = False
    """Whether changes of tasks are sent to addresses that clients give; needs `push`."""


class AgentCard(Model):
    """What the agent card says. The card needs no credential, and reveals this much of the agent.
    Everything may be left out.
    """

    name: Text | None = None
    """Name of the agent; that of the AgentRuntime when unset."""
    description: Text | None = None
    """What the agent is for; that of the pack when unset."""
    version: Text | None = None
    """Version of the agent; that of the pack when unset."""
    organization: Text | None = None
    """Who provides the agent."""
    documentation_url: HttpUrl | None = None
    """Where it is described."""
    skills: tuple[A2ASkill, ...] = Field(
        default=(), max_length=64, json_schema_extra=list_map("id")
    )
    """What it can do; one skill with the agent's description when empty."""
    capabilities: A2ACapabilities = Field(default_factory=A2ACapabilities)
    """What clients may use."""
    default_input_modes: tuple[MediaType, ...] = Field(default=(), max_length=32)
    """Media types of messages; `text/plain` when empty."""
    default_output_modes: tuple[MediaType, ...] = Field(default=(), max_length=32)
    """Media types of answers; `text/plain` when empty."""


class CardSigning(Model):
    """The signature of the agent card: JWS with ES256 over canonical JSON."""

    secret_ref: SecretKey | None = None
    """Private key of the curve P-256 in PEM, in a Secret of the agent's namespace. When unset, the
    operator makes a key and keeps it as long as the agent. No pod gets it."""
    key_id: Text | None = None
    """`kid` of the signature; the thumbprint of the key when unset."""
    jku: HttpUrl | None = None
    """Where the public key is, as a JWK Set; the agent's own `/.well-known/jwks.json` when unset.
    """


class PushNotifications(Model):
    """Where push notifications may be sent to."""

    allowed_hosts: tuple[ObjectName, ...] = Field(min_length=1, max_length=64)
    """Names of hosts. Requests to others are refused, and so are private addresses."""


class A2ADoor(Model):
    """The door for other agents: A2A over JSON-RPC and HTTP, at `/a2a`, and the agent card at
    `/.well-known/agent-card.json`.
    """

    enabled: bool = True
    """Whether the door is open."""
    agent_card: AgentCard = Field(default_factory=AgentCard)
    """What the card says."""
    task_ttl: DurationField = Duration.parse("1h")
    """How long a task can be read after its end."""
    signing: CardSigning | None = None
    """The signature of the card; it needs `publicURL` or `expose`, and `{}` suffices. The card is
    not signed when unset."""
    push: PushNotifications | None = None
    """Where push notifications may be sent to."""
    versions: tuple[A2AVersion, ...] = Field(default=(), max_length=2)
    """Versions that are served; both when empty."""
    grpc: bool = False
    """Whether 1.0 is served over gRPC too, on the same port. What is in front of the agent has to
    pass HTTP/2 on."""

    grpc_speaks_1_0: ClassVar = rule(
        'gRPC is served for A2A 1.0: add "1.0" to versions, or remove grpc',
        cel="!self.grpc || !has(self.versions) || size(self.versions) == 0"
        " || '1.0' in self.versions",
        at="grpc",
    )
    push_notifications_have_hosts: ClassVar = rule(
        "push notifications are sent to listed hosts only: add push.allowedHosts, or remove"
        " agentCard.capabilities.pushNotifications",
        cel="!self.agentCard.capabilities.pushNotifications || has(self.push)",
        at="push",
    )


class MCPDoor(Model):
    """The door for MCP clients, at `/mcp`: the agent, or the function, as a tool."""

    enabled: bool = True
    """Whether the door is open."""
    tool_name: Annotated[str, Field(min_length=1, max_length=64, pattern=MCP_TOOL_NAME)] | None = (
        None
    )
    """Name of the tool; that of the agent when unset."""
    tool_description: Text | None = None
    """What the tool does, for the model that chooses it; the description of the pack when unset."""
