import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import DiscoveryContext
from omnia_operator.resolve import ServicePort, ToolService, located, service_of
from tests.discovery.given import TOOL, discover, handler

SELECTOR: JsonObject = {"matchLabels": {"app": "orders"}}
PREFIX = "omnia.altairalabs.ai/"


def service(name: str = "orders", namespace: str = "shop", **annotations: str) -> ToolService:
    return ToolService(
        name=name,
        namespace=namespace,
        ports=(ServicePort("web", 8080), ServicePort("admin", 9090)),
        labels={"app": "orders", "tier": "back"},
        annotations={PREFIX + key.replace("_", "-"): text for key, text in annotations.items()},
    )


def address(kind: str, found: ToolService, selector: JsonObject = SELECTOR) -> str | None:
    tool = {"tool": TOOL} if kind in {"http", "grpc"} else {}
    config = {"mcpConfig": {"transport": "sse"}} if kind == "mcp" else {}
    asked = handler(name="orders", type=kind, selector=selector, **tool, **config)
    return located(asked, [found], "shop").address


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("http", "http://orders.shop.svc.cluster.local:8080/tools"),
        ("mcp", "http://orders.shop.svc.cluster.local:8080/tools"),
        ("openapi", "http://orders.shop.svc.cluster.local:8080/tools"),
        ("grpc", "orders.shop.svc.cluster.local:8080"),
    ],
)
def test_the_first_port_and_the_annotated_path_make_the_address(kind: str, expected: str) -> None:
    assert address(kind, service(tool_path="/tools")) == expected


@pytest.mark.parametrize("port", ["admin", "9090"])
def test_a_port_is_chosen_by_name_or_number(port: str) -> None:
    found = address("http", service(), {**SELECTOR, "port": port})
    assert found == "http://orders.shop.svc.cluster.local:9090"


def test_the_annotated_protocol_may_be_encrypted() -> None:
    assert address("http", service(tool_type="https")) == (
        "https://orders.shop.svc.cluster.local:8080"
    )


def test_the_annotations_describe_the_tool() -> None:
    asked = handler(name="orders", type="http", tool=TOOL, selector=SELECTOR)
    found = located(asked, [service(tool_name="search", tool_description="Search")], "shop")
    assert found.tool is not None
    assert (found.tool.name, found.tool.description) == ("search", "Search")


def test_of_several_services_the_first_by_name_is_taken() -> None:
    asked = handler(name="orders", type="http", tool=TOOL, selector=SELECTOR)
    services = [service("b"), service("a"), service("0", namespace="other")]
    assert located(asked, services, "shop").address == "http://a.shop.svc.cluster.local:8080"
    assert located(asked, services[::-1], "shop") == located(asked, services, "shop")


def test_an_address_of_its_own_goes_before_the_selector() -> None:
    config = {"endpoint": "http://here"}
    asked = handler(name="o", type="http", tool=TOOL, httpConfig=config, selector=SELECTOR)
    assert located(asked, [service()], "shop") is asked


@pytest.mark.parametrize(
    ("found", "selector", "said"),
    [
        (service(namespace="b"), SELECTOR, 'no Service in namespace "shop" has the labels app='),
        (service(), {**SELECTOR, "port": "x"}, 'has no port "x" \\(its ports: web, admin\\)'),
        (service(tool_type="grpc"), SELECTOR, "annotated as grpc, and the handler has type http"),
        (service(tool_name="Not A Name"), SELECTOR, "use lower-case letters"),
    ],
)
def test_a_service_that_does_not_fit_is_explained(
    found: ToolService, selector: JsonObject, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        address("http", found, selector)


async def test_a_missing_service_makes_the_handler_unavailable() -> None:
    asked = handler(name="orders", type="http", tool=TOOL, selector=SELECTOR)
    missing = await discover(asked)
    assert missing.status is ToolStatus.UNAVAILABLE
    assert 'the server of handler "orders": no Service' in (missing.error or "")
    there = await discover(asked, DiscoveryContext("shop", services=(service(),)))
    assert there.status is ToolStatus.AVAILABLE
    assert there.tools[0].endpoint == "http://orders.shop.svc.cluster.local:8080"


def test_a_service_of_the_api_server_is_read() -> None:
    document: JsonObject = {
        "metadata": {"name": "orders", "namespace": "shop", "labels": {"app": "orders"}},
        "spec": {"ports": [{"port": 80}, {"name": "web", "port": 8080}]},
    }
    expected = (ServicePort("", 80), ServicePort("web", 8080))
    assert service_of(document) == ToolService("orders", "shop", expected, {"app": "orders"})
