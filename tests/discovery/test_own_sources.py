"""Discovery with what a registry takes from Secrets and ConfigMaps."""

import json
from pathlib import Path

from omnia_core.env.contract import SecretStr
from omnia_core.files.config_text import ConfigText
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import DiscoveryContext
from tests.discovery.given import discover, handler
from tests.runtime.grpc_server import certificate
from tests.runtime.mcp_server import serving
from tests.services import free_port

ORIGIN = 'the key "a" of the ConfigMap "b"'


async def test_a_server_with_an_own_authority_gets_the_headers_of_its_handler(
    tmp_path: Path,
) -> None:
    tls = certificate(tmp_path, "mcp")
    async with serving("streamable-http", free_port(), tls=tls) as served:
        config = {
            "transport": "streamable-http",
            "endpoint": served.url,
            "headers": {"X-Region": "eu"},
            "headersFrom": [{"name": "X-Api-Key", "secretRef": {"name": "crm", "key": "key"}}],
        }
        reference = {"caConfigMapRef": {"name": "b", "key": "a"}}
        asked = handler(name="crm", type="mcp", mcpConfig=config, tls=reference)
        context = DiscoveryContext(
            "shop",
            credentials={f"{asked.name}.header.0": SecretStr("k3y")},
            authorities={asked.name: ConfigText(tls[0].read_text(), ORIGIN)},
        )
        found = await discover(asked, context)
        unknown = await discover(asked, DiscoveryContext("shop", credentials=context.credentials))
        without = await discover(
            asked, DiscoveryContext("shop", authorities={asked.name: ConfigText("", ORIGIN)})
        )
    assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert {served.door.headers[0][name] for name in ("x-region", "x-api-key")} == {"eu", "k3y"}
    assert unknown.status is ToolStatus.UNAVAILABLE
    assert "certificate" in (unknown.error or "")
    assert 'the key "key" of the Secret "crm" is missing or empty' in (without.error or "")


async def test_the_operations_of_a_document_in_a_config_map_are_found() -> None:
    config = {"specConfigMapRef": {"name": "b", "key": "a"}}
    asked = handler(name="shop", type="openapi", openAPIConfig=config)
    document = {
        "openapi": "3.1.0",
        "info": {},
        "servers": [{"url": "http://shop.example.com"}],
        "paths": {"/x": {"get": {"operationId": "listOrders"}}},
    }
    text = ConfigText(json.dumps(document), ORIGIN)
    found = await discover(asked, DiscoveryContext("shop", documents={asked.name: text}))
    missing = await discover(
        asked, DiscoveryContext("shop", documents={asked.name: ConfigText("", ORIGIN)})
    )
    assert [tool.name for tool in found.tools] == ["listOrders"]
    assert found.endpoint == "configmap://b/a"
    assert f"{ORIGIN} is missing or empty: add it" in (missing.error or "")
