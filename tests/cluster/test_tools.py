"""Tools of a registry whose servers are partly away."""

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import everything, here, ready
from tests.cluster.harness.waiting import becomes
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import say, wait_reachable
from tests.cluster.tool_servers import discovered, http_server, http_tool, mcp_server
from tests.operator import objects

TOOLS = ("one", "two", "three")

pytestmark = pytest.mark.usefixtures("omnia")


def calls_all_tools() -> JsonObject:
    """A mock that asks for the three tools at once, and tells what the last one said."""
    asks = [{"name": name, "arguments": {}} for name in TOOLS]
    matches = [
        {"when": "tool_result", "content": "The last one said {{tool_result.path}}."},
        {"contains": "work", "tool_calls": asks},
    ]
    return here(objects.provider({"mock": {"responses": {"matches": matches}}}))


def called(kubectl: Kubectl) -> list[str]:
    """Return the paths that the server of the tools was asked for."""
    return sorted(kubectl("logs", "deployment/web").split())


def test_a_dead_server_takes_no_other_tool_down_and_is_back_when_it_lives(
    kubectl: Kubectl,
) -> None:
    where = f"{kubectl.namespace}.svc.cluster.local"
    weather = {"transport": "streamable-http", "endpoint": f"http://weather.{where}/mcp"}
    handlers = [
        http_tool(name, {"httpConfig": {"endpoint": f"http://web.{where}:8000/{name}"}})
        for name in TOOLS
    ]
    registry = objects.registry(
        *handlers,
        {"name": "weather", "type": "mcp", "mcpConfig": weather},
        probe={"enabled": True, "interval": "5s"},
    )
    kubectl.apply(*http_server())
    wait_reachable(kubectl, "web", 8000)
    kubectl.apply(*everything({"toolRegistryRef": {"name": "tools"}})[:3])
    kubectl.apply(here(registry), calls_all_tools())

    available = dict.fromkeys(TOOLS, "Available")
    ready(kubectl, "helper")
    becomes(lambda: discovered(kubectl), ("Degraded", available | {"weather": "Unavailable"}))
    assert say(kubectl, "helper", "Get to work!") == ["The last one said /three."]
    becomes(lambda: called(kubectl), ["/one", "/three", "/two"])

    kubectl.apply(*mcp_server())
    kubectl.wait_available("weather")
    becomes(lambda: discovered(kubectl), ("Ready", available | {"forecast": "Available"}))
