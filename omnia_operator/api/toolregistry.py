"""ToolRegistry: the tools that a model may call."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_core.units import Duration
from omnia_operator.api.meta import AGE, PrinterColumn, Resource, Status
from omnia_operator.api.model import (
    DurationField,
    Model,
    Text,
    list_map,
)
from omnia_operator.api.rules import rule
from omnia_operator.api.toolhandler import ToolHandler


class ServerProbe(Model):
    """Whether tool servers are probed at an interval."""

    enabled: bool
    """Whether the operator connects to the servers."""
    interval: DurationField = Duration.parse("60s")
    """Time between two probes."""
    timeout: DurationField = Duration.parse("5s")
    """Time limit of a connection."""


class ToolRegistrySpec(Model):
    """Desired state of a ToolRegistry."""

    handlers: Annotated[
        tuple[ToolHandler, ...],
        Field(min_length=1, max_length=128, json_schema_extra=list_map("name")),
    ]
    """Tools and tool servers."""
    probe: ServerProbe | None = None
    """Whether tool servers are probed at an interval."""
    allowed_namespaces: tuple[str, ...] = Field(
        default=(), max_length=256, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """Other namespaces whose agents may use this registry; `"*"` is every namespace. The
    credentials of its tools are copied into the namespaces that use it."""

    tool_names_are_unique: ClassVar = rule(
        "two handlers have tools with the same name, which the model cannot distinguish: rename"
        " one",
        cel="self.handlers.all(a, !has(a.tool) ||"
        " self.handlers.exists_one(b, has(b.tool) && b.tool.name == a.tool.name))",
        at="handlers",
    )


class ToolStatus(StrEnum):
    """Whether a tool can be called."""

    AVAILABLE = "Available"
    UNAVAILABLE = "Unavailable"
    UNKNOWN = "Unknown"


class DiscoveredTool(Model):
    """A discovered tool."""

    name: Text
    """Name for the model."""
    handler_name: Text
    """Handler of the tool."""
    description: str = ""
    """What the tool does."""
    endpoint: str = ""
    """Address of the tool."""
    status: ToolStatus
    """Whether it can be called."""
    last_checked: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When its server was last asked."""
    error: str | None = None
    """Why it cannot be called."""
    input_schema: JsonObject | None = None
    """JSON Schema of the arguments."""
    output_schema: JsonObject | None = None
    """JSON Schema of the result."""


class RegistryPhase(StrEnum):
    """Phase of a ToolRegistry."""

    PENDING = "Pending"
    READY = "Ready"
    DEGRADED = "Degraded"
    FAILED = "Failed"


class ToolRegistryStatus(Status):
    """Observed state of a ToolRegistry. Conditions: `HandlersValid`, `ToolsDiscovered`."""

    phase: RegistryPhase | None = None
    """`Ready` when all tools are available, `Degraded` when some are, `Failed` when none is."""
    discovered_tools_count: int | None = None
    """Number of discovered tools."""
    discovered_tools: tuple[DiscoveredTool, ...] = ()
    """Discovered tools."""
    last_discovery_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = (
        None
    )
    """Time of the last discovery."""


class ToolRegistry(Resource):
    """ToolRegistry is a set of tools that a model may call."""

    kind_name: ClassVar = Kind.TOOL_REGISTRY
    plural: ClassVar = "toolregistries"
    short_names: ClassVar = ("tr",)
    columns: ClassVar = (
        PrinterColumn(name="Tools", type="integer", json_path=".status.discoveredToolsCount"),
        PrinterColumn(name="Phase", type="string", json_path=".status.phase"),
        AGE,
    )

    spec: ToolRegistrySpec
    """Desired state."""
    status: ToolRegistryStatus | None = None
    """Observed state, written by the operator."""
