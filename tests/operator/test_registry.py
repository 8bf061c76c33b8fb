"""What becomes of a ToolRegistry and of its agents when tool servers come, go and change."""

import base64

import pytest

from omnia_core.files.reading import decode_yaml
from omnia_core.files.tools import ToolsFile
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.cluster.kinds import CONFIG_MAP, SERVICE, TOOL_REGISTRY
from omnia_operator.discovery import (
    DiscoveryCache,
    DiscoveryContext,
    FoundTool,
    HandlerTools,
    discovered_tools,
)
from omnia_operator.scheduling import Requeue
from tests.operator import objects
from tests.operator.cluster import NOW, FakeCluster, everything, secret

LATER = "2026-01-01T01:00:00Z"
MCP: JsonObject = {
    "name": "server",
    "type": "mcp",
    "httpConfig": None,
    "tool": None,
    "mcpConfig": {"transport": "streamable-http", "endpoint": "http://mcp/mcp"},
}
KEY: JsonObject = {"type": "bearer", "secretRef": {"name": "keys", "key": "token"}}
SELECTED: JsonObject = {
    "httpConfig": {"endpoint": None, "method": "GET"},
    "selector": {"matchLabels": {"app": "weather"}, "port": "web"},
}


class Servers:
    """Stands for the tool servers."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.secretive: set[str] = set()
        self.remarks: tuple[str, ...] = ()
        self.shown: list[str | None] = []

    async def discover(self, handler: ToolHandler, context: DiscoveryContext) -> HandlerTools:
        key = context.credentials.get(handler.name)
        self.shown.append(key.reveal() if key else None)
        if handler.name in self.away:
            return HandlerTools(handler.name, ToolStatus.UNAVAILABLE, error="it is away")
        if handler.name in self.secretive:
            return HandlerTools(handler.name, ToolStatus.UNKNOWN, error="ask the pod")
        tools = (FoundTool(f"{handler.name}_one"), FoundTool(f"{handler.name}_two"))
        return HandlerTools(handler.name, ToolStatus.AVAILABLE, tools, remarks=self.remarks)


class Scene:
    """A cluster, tool servers, and a clock for both."""

    def __init__(self, *documents: JsonObject) -> None:
        self.servers = Servers()
        self.seconds = 0.0
        self.cluster = FakeCluster(*documents)
        self.cluster.discovery = DiscoveryCache(self.servers, lambda: self.seconds, lambda: 0.0)

    async def reconcile(self, now: str = NOW) -> Requeue:
        return await self.cluster.reconcile(TOOL_REGISTRY, "tools", now=now)

    @property
    def status(self) -> JsonObject:
        return self.cluster.status("tools", TOOL_REGISTRY)

    @property
    def tools(self) -> dict[str, str]:
        return {each["name"]: each["status"] for each in self.status["discoveredTools"]}

    @property
    def discovered(self) -> str:
        return self.cluster.conditions("tools", TOOL_REGISTRY)["ToolsDiscovered"]


def service(*ports: tuple[str, int], **labels: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "weather", "labels": labels},
        "spec": {"ports": [{"name": name, "port": port} for name, port in ports]},
    }


def endpoints(cluster: FakeCluster) -> list[str]:
    text = cluster.live(CONFIG_MAP, "omnia-helper-tools")["data"]["tools.yaml"]
    handlers = decode_yaml(text, ToolsFile, "it").handlers
    return [each.http_config.endpoint for each in handlers if each.http_config]


def test_tools_have_the_names_that_the_model_sees() -> None:
    available, away = ToolStatus.AVAILABLE, ToolStatus.UNAVAILABLE
    answers = (
        HandlerTools("first", available, (FoundTool("search"), FoundTool("files.list"))),
        HandlerTools("second", available, (FoundTool("search"), FoundTool("third"))),
        HandlerTools("third", away, error="it is away"),
    )
    tools = discovered_tools(answers, (), {"first", "second", "third"}, NOW)
    assert [(tool.handler_name, tool.name) for tool in tools] == [
        ("first", "search"),
        ("first", "first__files_list"),
        ("second", "second__search"),
        ("second", "third"),
        ("third", "third"),
    ]
    again = discovered_tools(answers, tools, (), LATER)
    assert [tool.last_checked for tool in again] == [NOW] * 5


async def test_a_server_that_is_away_degrades_the_registry_until_it_is_back() -> None:
    scene = Scene(objects.registry(objects.handler(), objects.handler(MCP)))
    assert await scene.reconcile() == Requeue.after(60.0)
    assert (scene.status["phase"], scene.status["discoveredToolsCount"]) == ("Ready", 4)
    assert scene.discovered == "True: ToolsDiscovered"

    scene.servers.away, scene.seconds = {"server"}, 60.0
    assert await scene.reconcile() == Requeue.after(5.0)
    assert scene.status["phase"] == "Degraded"
    assert scene.discovered == "False: ServerUnavailable"
    assert scene.tools == {
        "weather_one": "Available",
        "weather_two": "Available",
        "server_one": "Unavailable",
        "server_two": "Unavailable",
    }
    assert {each.get("error") for each in scene.status["discoveredTools"]} == {None, "it is away"}

    scene.servers.away, scene.seconds = set(), 65.0
    await scene.reconcile(LATER)
    assert scene.status["phase"] == "Ready"
    assert scene.status["lastDiscoveryTime"] == LATER
    reasons = [reason for _, reason in scene.cluster.events]
    assert reasons == ["ToolsDiscovered", "ServerUnavailable", "ToolsDiscovered"]


async def test_a_registry_has_failed_when_all_servers_are_away() -> None:
    scene = Scene(objects.registry(objects.handler(MCP)))
    scene.servers.away = {"server"}
    await scene.reconcile()

    assert scene.status["phase"] == "Failed"
    assert scene.tools == {"server": "Unavailable"}


async def test_a_server_that_only_the_agents_can_ask_is_not_held_against_the_registry() -> None:
    scene = Scene(objects.registry(objects.handler(), objects.handler(MCP)))
    scene.servers.secretive = {"server"}
    await scene.reconcile()
    assert scene.status["phase"] == "Ready"
    assert scene.discovered == "True: PartlyDiscovered"

    scene.servers.secretive, scene.seconds = {"server", "weather"}, 60.0
    await scene.reconcile()
    assert scene.discovered == "Unknown: KnownToAgentsOnly"


async def test_what_a_server_offers_and_is_no_tool_is_told() -> None:
    scene = Scene(objects.registry(objects.handler(MCP)))
    scene.servers.remarks = ("GET /pets: it has no name",)
    await scene.reconcile()

    (message,) = [each["message"] for each in scene.status["conditions"] if each["message"]]
    assert message == "server: GET /pets: it has no name"
    assert scene.cluster.events == [("tools", "PartlyDiscovered")]


async def test_a_status_is_written_when_servers_were_asked_and_not_before() -> None:
    scene = Scene(objects.registry(objects.handler(), objects.handler(MCP)))
    await scene.reconcile()
    scene.seconds = 59.0
    assert await scene.reconcile(LATER) == Requeue.after(1.0)
    assert scene.cluster.writes == ["status ToolRegistry tools"]

    scene.seconds = 60.0
    await scene.reconcile(LATER)
    times = {each["name"]: each["lastChecked"] for each in scene.status["discoveredTools"]}
    assert (times["weather_one"], times["server_one"]) == (NOW, LATER)


async def test_handlers_that_nobody_has_to_ask_cause_no_writes() -> None:
    scene = Scene(objects.registry())
    await scene.reconcile()
    scene.seconds = 60.0
    await scene.reconcile(LATER)

    assert scene.cluster.writes == ["status ToolRegistry tools"]


async def test_a_credential_is_shown_to_its_server_and_to_nobody_else() -> None:
    token = base64.b64encode(b"geheim").decode()
    registry = objects.registry(objects.handler(), objects.handler(MCP | {"auth": KEY}))
    scene = Scene(registry, secret("keys", {"token": token}))
    await scene.reconcile()
    assert scene.servers.shown == [None, "geheim"]
    assert "geheim" not in str(scene.status)

    scene.cluster.put(secret("keys", {"token": base64.b64encode(b"neu").decode()}))
    await scene.reconcile()
    assert scene.servers.shown == [None, "geheim", "neu"]


async def test_an_invalid_registry_and_one_that_is_gone_are_not_asked_again() -> None:
    broken = objects.handler({"tool": {"inputSchema": {"type": "no such type"}}})
    scene = Scene(objects.registry(broken))
    assert await scene.reconcile() == Requeue.NO
    assert scene.status["phase"] == "Failed"

    scene.cluster.remove(TOOL_REGISTRY, "tools")
    assert await scene.reconcile() == Requeue.NO
    assert scene.servers.shown == []


async def test_a_service_that_a_selector_finds_becomes_the_address_of_the_tool() -> None:
    registry = objects.registry(objects.handler(SELECTED))
    cluster = FakeCluster(*everything({"toolRegistryRef": {"name": "tools"}}), registry)
    await cluster.settle()
    assert endpoints(cluster) == []
    assert cluster.status("tools", TOOL_REGISTRY)["phase"] == "Failed"

    cluster.put(service(("admin", 1), ("web", 80), app="weather"))
    await cluster.settle()
    assert endpoints(cluster) == ["http://weather.default.svc.cluster.local:80"]
    assert cluster.status("tools", TOOL_REGISTRY)["phase"] == "Ready"

    cluster.put(service(("web", 81), app="weather"))
    await cluster.settle()
    assert endpoints(cluster) == ["http://weather.default.svc.cluster.local:81"]

    cluster.remove(SERVICE, "weather")
    await cluster.settle()
    assert endpoints(cluster) == []


@pytest.mark.parametrize("change", [{}, {"tier": "back"}], ids=["one label", "more labels"])
async def test_a_service_without_the_labels_is_nobodys(change: JsonObject) -> None:
    registry = objects.registry(objects.handler(SELECTED))
    cluster = FakeCluster(registry, service(("web", 80), **change))
    await cluster.settle()

    (tool,) = cluster.status("tools", TOOL_REGISTRY)["discoveredTools"]
    assert tool["status"] == "Unavailable"
    assert "app=weather" in tool["error"]
