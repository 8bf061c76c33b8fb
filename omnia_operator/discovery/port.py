"""The port for discovery: the request to a handler's server, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from omnia_core.env.contract import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ServerProbe, ToolStatus
from omnia_operator.resolve.services import ToolService


@dataclass(frozen=True, slots=True)
class DiscoveryContext:
    """What discovery needs from the cluster for the handlers of one registry.

    Attributes:
        namespace: the registry's.
        services: candidates for the selectors of the handlers.
        credentials: values of the keys of Secrets, by `ToolSecretKey.file`; without those whose
            Secret or key does not exist.
        documents: OpenAPI documents of ConfigMaps, by handler name.
        authorities: certificate authorities of servers, by handler name.
        probe: whether and how often servers are probed.
        known: the last results by handler name.
    """

    namespace: str
    services: tuple[ToolService, ...] = ()
    credentials: Mapping[str, SecretStr] = field(default_factory=dict)
    documents: Mapping[str, ConfigText] = field(default_factory=dict)
    authorities: Mapping[str, ConfigText] = field(default_factory=dict)
    probe: ServerProbe | None = None
    known: Mapping[str, "HandlerTools"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A tool as described by its server or its handler."""

    name: str
    description: str = ""
    endpoint: str = ""
    input_schema: JsonObject | None = None
    output_schema: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class HandlerTools:
    """The tools of one handler.

    Attributes:
        handler: its name.
        status: `UNAVAILABLE` when the server failed to answer, `UNKNOWN` when only the agent's
            own pod can ask it.
        tools: those of the server, or the one that the handler describes.
        endpoint: address of the server.
        error: why the tools are not available or not known.
        remarks: further information, such as operations that cannot be tools.
        digest: hash of the document that was read; it is read again when it changes.
    """

    handler: str
    status: ToolStatus
    tools: tuple[FoundTool, ...] = ()
    endpoint: str = ""
    error: str | None = None
    remarks: tuple[str, ...] = ()
    digest: str = ""


class Discovery(Protocol):
    """Discovers the tools of a handler."""

    async def discover(self, handler: ToolHandler, context: DiscoveryContext) -> HandlerTools:
        """Ask a handler's server, within seconds. A failure is a result, never an exception."""
        ...


class OnlyTheAgentKnows(ConfigurationError):
    """Only the agent's pod can ask the server, not the operator."""
