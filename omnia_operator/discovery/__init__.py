"""Discovers the tools of a ToolRegistry, and the keys of token issuers."""

from omnia_operator.discovery.cache import DiscoveryCache, DiscoveryResult
from omnia_operator.discovery.egress import Egress, Proxies
from omnia_operator.discovery.issuers import Issuers
from omnia_operator.discovery.port import Discovery, DiscoveryContext, FoundTool, HandlerTools
from omnia_operator.discovery.servers import ServerDiscovery, discover_all
from omnia_operator.discovery.summary import discovered_tools, phase

__all__ = [
    "Discovery",
    "DiscoveryCache",
    "DiscoveryContext",
    "DiscoveryResult",
    "Egress",
    "FoundTool",
    "HandlerTools",
    "Issuers",
    "Proxies",
    "ServerDiscovery",
    "discover_all",
    "discovered_tools",
    "phase",
]
