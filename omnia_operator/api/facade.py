"""The facade block of an AgentRuntime."""

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Handler
from omnia_core.units import ByteSize, Duration
from omnia_operator.api.doors import A2ADoor, DoorName, MCPDoor, OriginField
from omnia_operator.api.expose import Expose, ServiceSpec
from omnia_operator.api.meta import ContainerEnvVar, VolumeClaim
from omnia_operator.api.model import (
    AbsolutePath,
    ByteSizeField,
    DurationField,
    HttpUrl,
    Model,
    Port,
    Text,
    list_map,
)
from omnia_operator.api.rules import rule


class FacadeType(StrEnum):
    """How clients connect."""

    WEBSOCKET = "websocket"
    GRPC = "grpc"


class FacadeMedia(Model):
    """Storage for files that clients upload and then refer to in a message."""

    enabled: bool = False
    """Whether clients may upload files."""
    storage_path: AbsolutePath = "/var/omnia/media"
    """Folder of the files; both containers mount it."""
    public_url: HttpUrl | None = None
    """Address of this agent for clients, with which the addresses of uploads and downloads begin.
    Required if enabled."""
    max_file_size: ByteSizeField = ByteSize.parse("10Mi")
    """Largest upload."""
    default_ttl: DurationField = Duration.parse("24h")
    """How long an upload is kept."""
    max_volume_size: ByteSizeField | None = None
    """Largest size of all uploads together. Unset: the size of the claim or, without a claim, 4Gi
    of the node's disk."""
    persistent_volume_claim: VolumeClaim | None = None
    """The volume of the files. With it they outlive the pod and every pod can read them; with
    several replicas it has to be ReadWriteMany."""

    enabled_media_has_a_public_url: ClassVar = rule(
        "media is enabled, so clients need an address for downloads: add publicURL, such as"
        " https://agent.example.com",
        cel="!self.enabled || has(self.publicURL)",
        at="publicURL",
    )


_RESERVED_PORTS = [names.FACADE_HEALTH_PORT, names.RUNTIME_GRPC_PORT, names.RUNTIME_HEALTH_PORT]


class FacadeSpec(Model):
    """How clients connect."""

    type: FacadeType = FacadeType.WEBSOCKET
    """`websocket` for an agent, `grpc` for a function, which is called by `POST
    /functions/{name}`."""
    port: Port = names.FACADE_PORT
    """Port that clients connect to."""
    handler: Handler = Handler.RUNTIME
    """What answers: the runtime, or a built-in handler without a model. `demo` streams prepared
    answers, `echo` repeats the message."""
    image: Text | None = None
    """Image of the facade container, instead of the operator's."""
    media: FacadeMedia | None = None
    """Storage for files that clients upload."""
    doors: tuple[DoorName, ...] | None = Field(default=None, max_length=3)
    """Protocols that the agent is served by besides WebSocket: `chat` for the AI SDK, `openai` for
    OpenAI's clients, `agui` for AG-UI. All of them when unset, none when empty. A2A and MCP are
    served where their block is."""
    a2a: A2ADoor | None = None
    """Serves other agents by A2A."""
    mcp: MCPDoor | None = None
    """Serves MCP clients."""
    public_url: HttpUrl | None = None
    """Address of the agent as clients see it, which agent cards and metadata name.
    `media.publicURL`, or that of each request, when unset."""
    allowed_origins: tuple[OriginField, ...] = Field(default=(), max_length=64)
    """Origins whose pages may use the agent, besides its own: `https://app.example.com`; `*` for
    all."""
    client_tool_timeout: DurationField = Duration.parse("60s")
    """How long a client may take to execute a tool."""
    show_tools: bool = True
    """Whether clients see the calls and results of tools that the runtime executes."""
    console: bool = False
    """Whether the facade serves a page at `/` for conversations with the agent, or for the input of
    the function. Requests of the page need the same credentials as those of any other client."""
    console_shows: Literal["chat", "inside"] = "chat"
    """What the page shows: conversations; with `inside` also what the agent is made of, its prompt,
    tools and models. Everybody who may talk to the agent can read it then."""
    resources: JsonObject | None = None
    """Requests and limits of the facade container."""
    extra_env: tuple[ContainerEnvVar, ...] = Field(
        default=(), max_length=256, json_schema_extra=list_map("name")
    )
    """More environment variables of the facade container."""
    service: ServiceSpec = Field(default_factory=ServiceSpec)
    """The Service of the agent."""
    expose: Expose | None = None
    """Exposure outside the cluster, by an Ingress or an HTTPRoute."""

    doors_are_unique: ClassVar = rule(
        "each of doors is named once: remove the repetition",
        cel="!has(self.doors) || self.doors.all(each, self.doors.exists_one(other, other == each))",
        at="doors",
    )

    port_is_free: ClassVar = rule(
        "health checks and the runtime use the ports 8081, 9000 and 9001 of the pod: choose another"
        " port",
        cel=f"!(self.port in {_RESERVED_PORTS})",
        at="port",
    )
