"""The question which tools a handler has, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from omnia_core.env.contract import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import Probe, ToolStatus
from omnia_operator.discovery.selector import Service


@dataclass(frozen=True, slots=True)
class Context:
    """What was read from the cluster for the handlers of one registry.

    Attributes:
        namespace: that of the registry.
        services: all that a handler's selector may mean.
        credentials: values of the handlers' `auth.secretRef` by name of the handler. A handler
            whose Secret or key does not exist is not in it.
    """

    namespace: str
    services: tuple[Service, ...] = ()
    credentials: Mapping[str, SecretStr] = field(default_factory=dict)
    probe: Probe | None = None


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A tool as its server, or its handler, describes it."""

    name: str
    description: str = ""
    endpoint: str = ""
    input_schema: JsonObject | None = None
    output_schema: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class HandlerTools:
    """What one handler offers.

    Attributes:
        handler: its name.
        status: `UNAVAILABLE` when the server was asked in vain, `UNKNOWN` when only the agent's
            own pod can ask it.
        tools: known also without the server when the handler describes its tool.
        error: why they cannot be called, or cannot be known.
        remarks: what else a person should see, such as operations that are no tools.
    """

    handler: str
    status: ToolStatus
    tools: tuple[FoundTool, ...] = ()
    endpoint: str = ""
    error: str | None = None
    remarks: tuple[str, ...] = ()


class Discovery(Protocol):
    """Finds out which tools there are."""

    async def discover(self, handler: ToolHandler, context: Context) -> HandlerTools:
        """Ask a handler's server, within seconds. A failure is an answer, never an exception."""
        ...


class OnlyTheAgentKnows(ConfigurationError):
    """The agent's pod can ask the server, and the operator cannot."""
