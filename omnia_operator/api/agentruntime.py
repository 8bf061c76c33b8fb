"""AgentRuntime: an agent for conversations, or a function for programs."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core import names
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind, Mode
from omnia_operator.api.budget import BudgetSpec
from omnia_operator.api.evals import Evals
from omnia_operator.api.externalauth import ExternalAuth
from omnia_operator.api.facade import FacadeSpec
from omnia_operator.api.framework import Framework
from omnia_operator.api.meta import AGE, ObjectRef, PrinterColumn, Resource, Scale, Status
from omnia_operator.api.model import (
    AbsolutePath,
    Model,
    ObjectName,
    Text,
    Version,
    list_map,
)
from omnia_operator.api.provider import ProviderSettings
from omnia_operator.api.rollout import NamedProvider, Rollout, RolloutStatus
from omnia_operator.api.rules import rule
from omnia_operator.api.session import SessionSpec
from omnia_operator.api.workload import WorkloadSpec


class PromptPackRef(Model):
    """The PromptPack of an agent."""

    name: ObjectName
    """`packName` of the pack, or the name of one PromptPack object."""
    version: Version | None = None
    """Version of new sessions. Without it, they get the highest one, or a part of them a canary."""


class InlineToolPolicy(Model):
    """Limits of the tool loop, per turn; the names are those of a pack's `tool_policy`."""

    max_rounds: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Rounds of tool calls; 5 without it."""
    max_tool_calls_per_turn: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Tool calls; 10 without it."""
    max_identical_tool_calls: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Calls of the same tool with the same arguments; 3 without it."""


class InlinePrompt(Model):
    """A prompt without a pack."""

    system: Text
    """System prompt, as a template: `{{name}}` stands for a variable."""
    tool_policy: InlineToolPolicy | None = None
    """Limits of the tool loop."""


class RuntimeMedia(Model):
    """Where the runtime finds media files."""

    base_path: AbsolutePath = names.MEDIA_BASE_PATH
    """Folder of `mock://` addresses."""


def _port_is_free(containers: str) -> str:
    differ = "!has(c.ports) || c.ports.all(p, p.containerPort != self.facade.port)"
    field = f"self.runtime.{containers}"
    return f"(!has({field}) || {field}.all(c, {differ}))"


# A custom framework may have its prompt and its model in its image.
_BRINGS_ITS_OWN = "(self.facade.handler != 'runtime' || self.framework.type == 'custom')"


# One line of a page.
Example = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")]


class AgentRuntimeSpec(Model):
    """Desired state of an AgentRuntime."""

    mode: Mode = Mode.AGENT
    """`agent` holds conversations over WebSocket, `function` answers one typed HTTP request at a
    time."""
    description: Text | None = Field(default=None, max_length=1024)
    """What the agent is for, in a sentence. The console shows it; the agent card and the tool of
    MCP have it where they say nothing else, before the description of the pack."""
    examples: tuple[Example, ...] = Field(default=(), max_length=6)
    """Questions to begin with, which the console shows."""
    prompt_pack_ref: PromptPackRef | None = None
    """The pack with the prompts. Set this or `prompt`."""
    prompt: InlinePrompt | None = None
    """The prompt itself, instead of a pack."""
    providers: tuple[NamedProvider, ...] = Field(
        default=(), max_length=32, json_schema_extra=list_map("name")
    )
    """The models, by logical name. Set these or `provider`."""
    provider: ProviderSettings | None = None
    """The model itself, instead of Provider resources; its logical name is `default`."""
    framework: Framework = Field(default_factory=Framework)
    """What runs the agent loop."""
    facade: FacadeSpec = Field(default_factory=FacadeSpec)
    """How clients connect."""
    external_auth: ExternalAuth = Field(default_factory=ExternalAuth)
    """Which credentials are accepted."""
    tool_registry_ref: ObjectRef | None = None
    """The tools that the model may call."""
    session: SessionSpec = Field(default_factory=SessionSpec)
    """How conversations are stored."""
    media: RuntimeMedia = Field(default_factory=RuntimeMedia)
    """Where the runtime finds media files."""
    runtime: WorkloadSpec = Field(default_factory=WorkloadSpec)
    """How the pods run."""
    budget: BudgetSpec | None = None
    """What its requests to models may cost."""
    evals: Evals | None = None
    """Evaluation of live conversations by the definitions of the pack."""
    rollout: Rollout | None = None
    """A gradual change to a candidate."""
    input_schema: JsonObject | None = None
    """JSON Schema of a function's input."""
    output_schema: JsonObject | None = None
    """JSON Schema of a function's output."""

    function_has_schemas: ClassVar = rule(
        "a function needs schemas of its input and output: add both inputSchema and outputSchema,"
        " or set mode: agent",
        cel="self.mode != 'function' || (has(self.inputSchema) && has(self.outputSchema))",
    )

    agent_has_no_schemas: ClassVar = rule(
        "inputSchema and outputSchema belong to functions: remove them, or set mode: function",
        cel="self.mode == 'function' || (!has(self.inputSchema) && !has(self.outputSchema))",
    )

    function_is_not_a_websocket: ClassVar = rule(
        "a function is not served over WebSocket: set facade.type: grpc",
        cel="self.mode != 'function' || self.facade.type != 'websocket'",
        at="facade.type",
    )

    agent_is_a_websocket: ClassVar = rule(
        "an agent is served over WebSocket: set facade.type: websocket, or mode: function",
        cel="self.mode != 'agent' || self.facade.type == 'websocket'",
        at="facade.type",
    )

    function_has_no_doors_of_a_conversation: ClassVar = rule(
        "a function is served by POST /functions/NAME and by MCP: remove facade.doors and"
        " facade.a2a",
        cel="self.mode != 'function' || ((!has(self.facade.doors) || size(self.facade.doors) == 0)"
        " && (!has(self.facade.a2a) || !self.facade.a2a.enabled))",
        at="facade",
    )

    function_is_answered_by_the_runtime: ClassVar = rule(
        "only the runtime can answer functions: remove facade.handler",
        cel="self.mode != 'function' || self.facade.handler == 'runtime'",
        at="facade.handler",
    )

    naming_has_a_provider: ClassVar = rule(
        "session.naming.provider is the logical name of a provider of this agent: add it to"
        " providers, or remove it",
        cel="!has(self.session) || !has(self.session.naming) ||"
        " !has(self.session.naming.provider) ||"
        " (has(self.providers) &&"
        " self.providers.exists(each, each.name == self.session.naming.provider)) ||"
        " (has(self.provider) && self.session.naming.provider == 'default')",
        at="session.naming.provider",
    )

    prompt_has_one_source: ClassVar = rule(
        "the prompt has one source: set exactly one of promptPackRef and prompt (only the handlers"
        " echo and demo and custom frameworks need neither)",
        cel="(has(self.promptPackRef) ? 1 : 0) + (has(self.prompt) ? 1 : 0) == 1 ||"
        f" (!has(self.promptPackRef) && !has(self.prompt) && {_BRINGS_ITS_OWN})",
    )

    extra_ports_differ_from_the_facades: ClassVar = rule(
        "a container of runtime.extraContainers or runtime.initContainers has the port of the"
        " facade: choose another port, or another facade.port",
        cel=_port_is_free("extraContainers") + " && " + _port_is_free("initContainers"),
        at="runtime",
    )

    provider_has_one_source: ClassVar = rule(
        "the model has one source: set exactly one of providers and provider (only the handlers"
        " echo and demo and custom frameworks need neither)",
        cel="(has(self.providers) && size(self.providers) > 0 ? 1 : 0) + (has(self.provider)"
        " ? 1 : 0) == 1 ||"
        " (!(has(self.providers) && size(self.providers) > 0) && !has(self.provider) &&"
        f" {_BRINGS_ITS_OWN})",
    )


class AgentPhase(StrEnum):
    """Phase of an AgentRuntime."""

    PENDING = "Pending"
    RUNNING = "Running"
    FAILED = "Failed"


class Replicas(Model):
    """Numbers of pods."""

    desired: int = 0
    """Desired pods."""
    ready: int = 0
    """Pods that are ready."""
    available: int = 0
    """Pods that have been ready for the minimum time."""
    current: int = 0
    """Pods that there are, of any version."""


class Endpoint(Model):
    """Where a protocol is served."""

    door: str
    """`websocket`, `chat`, `openai`, `agui`, `a2a`, `mcp` or `functions`."""
    url: str
    """The address that clients of the protocol are given."""


class AgentRuntimeStatus(Status):
    """Observed state of an AgentRuntime. Conditions: `Ready`, `DeploymentReady`, `ServiceReady`,
    `PromptPackReady`, `ProviderReady`, `ToolRegistryReady`, `SessionStoreReady`,
    `AutoscalingReady`, `ExposeReady`, `ExternalAuth`, `OIDCJWKSReady`, `CardSigned`,
    `MediaReady`, `SessionRetention`, `RolloutActive`, `TrafficRouting`, `ObjectsInSync`,
    `SpecEnforced`.
    """

    phase: AgentPhase | None = None
    """`Pending`: waits for objects that it refers to; `Running`: ready; `Failed`: cannot be
    deployed."""
    replicas: Replicas | None = None
    """Numbers of pods."""
    active_version: str | None = None
    """Version of the pack for new sessions."""
    service_endpoint: str | None = None
    """Host and port of the Service."""
    endpoints: tuple[Endpoint, ...] = Field(default=(), json_schema_extra=list_map("door"))
    """Addresses of the agent by protocol: outside the cluster where they are known, else those of
    the Service."""
    url: str | None = None
    """Address for clients outside the cluster, with `facade.expose`."""
    selector: str | None = None
    """Labels of the pods as a selector, for the scale subresource."""
    rollout: RolloutStatus | None = None
    """Progress of the rollout."""


_FIRST_PROVIDER = ".spec.providers[0].providerRef.name"


def _of_ready(name: str, field: str, priority: int | None = None) -> PrinterColumn:
    path = f'.status.conditions[?(@.type=="Ready")].{field}'
    return PrinterColumn(name=name, type="string", json_path=path, priority=priority)


class AgentRuntime(Resource):
    """AgentRuntime is an agent for conversations, or a function for programs."""

    kind_name: ClassVar = Kind.AGENT_RUNTIME
    plural: ClassVar = "agentruntimes"
    short_names: ClassVar = ("agent", "ar")
    columns: ClassVar = (
        _of_ready("Ready", "status"),
        _of_ready("Reason", "reason"),
        PrinterColumn(name="Phase", type="string", json_path=".status.phase"),
        PrinterColumn(name="Pods", type="integer", json_path=".status.replicas.ready"),
        PrinterColumn(name="Version", type="string", json_path=".status.activeVersion"),
        AGE,
        PrinterColumn(name="Mode", type="string", json_path=".spec.mode", priority=1),
        PrinterColumn(name="Handler", type="string", json_path=".spec.facade.handler", priority=1),
        PrinterColumn(name="Provider", type="string", json_path=_FIRST_PROVIDER, priority=1),
        PrinterColumn(
            name="Endpoint", type="string", json_path=".status.serviceEndpoint", priority=1
        ),
        PrinterColumn(name="URL", type="string", json_path=".status.url", priority=1),
        PrinterColumn(name="Rollout", type="string", json_path=".status.rollout.phase", priority=1),
        PrinterColumn(name="Step", type="string", json_path=".status.rollout.step", priority=1),
        PrinterColumn(
            name="Weight", type="integer", json_path=".status.rollout.currentWeight", priority=1
        ),
        _of_ready("Message", "message", priority=1),
    )
    scale: ClassVar = Scale(
        spec_replicas_path=".spec.runtime.replicas",
        status_replicas_path=".status.replicas.current",
        label_selector_path=".status.selector",
    )

    spec: AgentRuntimeSpec
    """Desired state."""
    status: AgentRuntimeStatus | None = None
    """Observed state, written by the operator."""

    name_fits_a_service: ClassVar = rule(
        "the Service has the agent's name, so the name has at most 63 lower-case letters, digits"
        " and hyphens and begins with a letter: rename the agent",
        cel="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') &&"
        " size(self.metadata.name) <= 63",
        at="metadata.name",
    )
