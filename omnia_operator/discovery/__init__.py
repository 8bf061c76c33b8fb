"""Which tools the handlers of a ToolRegistry have, and whether they can be called."""

from omnia_operator.discovery.cache import DiscoveryCache, Seen
from omnia_operator.discovery.issuers import Issuers
from omnia_operator.discovery.port import Context, Discovery, FoundTool, HandlerTools
from omnia_operator.discovery.selector import Service, ServicePort, located, service_of
from omnia_operator.discovery.servers import ServerDiscovery, discover_all
from omnia_operator.discovery.summary import discovered_tools, phase

__all__ = [
    "Context",
    "Discovery",
    "DiscoveryCache",
    "FoundTool",
    "HandlerTools",
    "Issuers",
    "Seen",
    "ServerDiscovery",
    "Service",
    "ServicePort",
    "discover_all",
    "discovered_tools",
    "located",
    "phase",
    "service_of",
]
