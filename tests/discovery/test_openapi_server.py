import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from omnia_core.env.contract import SecretStr
from omnia_core.files.reading import encode_yaml
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import DiscoveryContext, Egress
from omnia_operator.discovery.openapi import Documents
from tests.discovery.given import discover, openapi, silent_server, web_server
from tests.services import LIMIT, free_port

DOCUMENT: JsonObject = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "/v1"}],
    "paths": {
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "summary": "One pet",
                "parameters": [{"$ref": "#/components/parameters/Id"}],
            }
        },
        "/pets": {
            "post": {
                "operationId": "addPet",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}
                    },
                },
            }
        },
    },
    "components": {
        "parameters": {
            "Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
        },
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "young": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
                },
            }
        },
    },
}


def serving(text: str, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    return answer


@pytest.mark.parametrize(
    "text", [json.dumps(DOCUMENT), encode_yaml(DOCUMENT)], ids=["json", "yaml"]
)
async def test_a_document_is_fetched_and_its_operations_are_tools(text: str) -> None:
    async with web_server(serving(text)) as url:
        found = await discover(openapi(f"{url}/openapi"))
    assert found.status is ToolStatus.AVAILABLE
    assert [each.name for each in found.tools] == ["getPet", "addPet"]
    assert found.tools[0].endpoint == f"{url}/v1/pets/{{id}}"
    recursive = found.tools[1].input_schema
    assert recursive is not None
    assert recursive["properties"]["young"]["items"] == {"$ref": "#/$defs/Pet"}
    assert set(recursive["$defs"]) == {"Pet"}


async def test_the_filter_chooses_and_what_it_does_not_find_is_a_remark() -> None:
    async with web_server(serving(json.dumps(DOCUMENT))) as url:
        found = await discover(openapi(url, operationFilter=["addPet", "sellPet"]))
    assert [each.name for each in found.tools] == ["addPet"]
    assert found.remarks == (
        "sellPet: the document has no operation with this name: correct operationFilter",
    )


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("<html>", 200, 'there is no field "openapi"'),
        ("{", 200, "neither JSON nor YAML"),
        ('{"swagger": "2.0"}', 200, "convert it to OpenAPI 3.0 or 3.1"),
        ("gone", 404, "has nothing at this path (status 404)"),
        ("oops", 503, "answered with status 503"),
        ("#" * (6 << 20), 200, "larger than 5 MiB"),
    ],
)
async def test_what_is_no_document_is_said(text: str, status: int, said: str) -> None:
    async with web_server(serving(text, status)) as url:
        found = await discover(openapi(url))
    assert found.status is ToolStatus.UNAVAILABLE
    assert found.error is not None
    assert said in found.error


async def test_a_dead_and_a_silent_server_are_told_apart() -> None:
    dead = await discover(openapi(f"http://127.0.0.1:{free_port()}/x"))
    async with silent_server() as port:
        silent = await discover(openapi(f"http://127.0.0.1:{port}/x", timeout="200ms"))
    unknown = await discover(openapi("http://no-such-host.invalid/x", timeout="5s"))
    assert "does not accept connections" in (dead.error or "")
    assert "did not answer within 0.2 s" in (silent.error or "")
    assert "has an unknown host name" in (unknown.error or "")


async def test_a_credential_goes_to_the_server_and_not_past_a_redirect_or_into_an_error() -> None:
    seen: list[str | None] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append("elsewhere")
        return web.Response(status=500, text="hunter2")

    auth = {"type": "basic", "secretRef": {"name": "token", "key": "value"}}
    context = DiscoveryContext("shop", credentials={"pets": SecretStr("me:hunter2")})
    async with web_server(elsewhere) as other:

        async def redirect(request: web.Request) -> web.Response:
            seen.append(request.headers.get("authorization"))
            raise web.HTTPFound(f"{other}/document")

        async with web_server(redirect) as url:
            at = url.replace("http://", "http://me:hunter2@") + "/openapi?key=hunter2"
            found = await discover(openapi(at.replace("me:hunter2@", ""), auth=auth), context)
    assert seen == ["Basic bWU6aHVudGVyMg=="]
    assert "hunter2" not in repr(found)


async def test_a_filter_makes_a_larger_document_usable() -> None:
    text = json.dumps({**DOCUMENT, "x-padding": "x" * (6 << 20)})
    async with web_server(serving(text)) as url:
        whole = await discover(openapi(url))
        chosen = await discover(openapi(url, operationFilter=["getPet"]))
    assert "larger than 5 MiB" in (whole.error or "")
    assert [each.name for each in chosen.tools] == ["getPet"]


@pytest.mark.parametrize("text", [json.dumps(DOCUMENT), "openapi: 3.1.0\nx: " + "[" * 300])
async def test_a_document_is_read_again_only_when_it_changes(text: str) -> None:
    answer = serving(text)

    async def current(request: web.Request) -> web.Response:
        return await answer(request)

    async with web_server(current) as url:
        asked = openapi(url)
        first = await discover(asked)
        again = await discover(asked, DiscoveryContext("shop", known={"pets": first}))
        assert again is first
        filtered = openapi(url, operationFilter=["getPet"])
        other = await discover(filtered, DiscoveryContext("shop", known={"pets": first}))
        assert other.digest != first.digest
        answer = serving(json.dumps(DOCUMENT | {"paths": {}}))
        changed = await discover(asked, DiscoveryContext("shop", known={"pets": first}))
        assert "the document has no operations" in (changed.error or "")


async def test_large_documents_are_in_memory_one_after_the_other() -> None:
    documents = Documents(Egress(lambda _: False))
    config = openapi("http://unused").open_api_config
    assert config is not None

    async def length(url: str) -> int:
        asked = config.model_copy(update={"spec_url": url})
        async with documents.fetched(asked, {}, LIMIT) as text:
            return len(text)

    async with (
        web_server(serving("y" * 2_000_000)) as large,
        web_server(serving("y" * 1000)) as small,
    ):
        held = config.model_copy(update={"spec_url": large})
        async with documents.fetched(held, {}, LIMIT):
            waiting = asyncio.create_task(length(large))
            assert await length(small) == 1000
            done, _ = await asyncio.wait({waiting}, timeout=0.3)
            assert not done
        assert await waiting == 2_000_000
