"""OpenAPI tools against a real API: its document says which tools there are."""

import asyncio
import json
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
import yaml
from aiohttp import web

from omnia_core.files.tools import ToolHandler
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.credentials import Credential
from omnia_runtime.tools.http.client import MAX_RESPONSE_BYTES
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.tools.openapi.document import MAX_DOCUMENT_BYTES, MAX_FILTERED_BYTES
from omnia_runtime.tools.openapi.handler import OpenAPISource
from omnia_runtime.tools.retry import Backoff
from omnia_runtime.tools.routes import route_tools
from tests.runtime.scripted import http_tool, metrics
from tests.runtime.servers import serving
from tests.runtime.test_tools_retry import Flaky
from tests.runtime.test_tools_sources import openapi
from tests.runtime.tooling import LIMIT, called, opened
from tests.services import free_port

ORDER = {"$ref": "#/components/schemas/Order"}


def document(**more: Any) -> dict[str, Any]:
    """The document of a shop, with references."""
    path_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    tags = {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}
    trace = {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}
    content = {"application/json": {"schema": ORDER}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": "/v1"}],
        "paths": {
            "/orders": {
                "get": {"operationId": "listOrders", "summary": "Lists.", "parameters": [tags]},
                "post": {
                    "operationId": "createOrder",
                    "requestBody": {"required": True, "content": content},
                },
            },
            "/orders/{id}": {
                "parameters": [{"$ref": "#/components/parameters/id"}],
                "get": {"operationId": "getOrder", "parameters": [trace]},
            },
            "/odd": {"get": {"operationId": "odd", "parameters": [{"in": "query"}]}},
        },
        "components": {
            "parameters": {"id": path_id},
            "schemas": {
                "Order": {
                    "type": "object",
                    "properties": {"item": {"type": "string"}, "count": {"type": "integer"}},
                    "required": ["item"],
                }
            },
        },
        **more,
    }


class Shop:
    """Serves a document and tells what it was asked.

    Attributes:
        text: the document, None when there is none.
        fetched: is set when the document was asked for.
    """

    def __init__(self, text: str | None = None) -> None:
        self.text = text if text is not None else json.dumps(document())
        self.status = 200
        self.fetched = asyncio.Event()
        self.requests: list[dict[str, Any]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/openapi.json":
            self.fetched.set()
            return web.Response(text=self.text, status=self.status)
        seen = {
            "call": f"{request.method} {request.raw_path}",
            "body": (await request.read()).decode(),
            **{k.lower(): v for k, v in request.headers.items()},
        }
        self.requests.append(seen)
        return web.json_response(seen)


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump])
async def test_every_operation_of_a_document_is_a_tool(tmp_path: Path, write: Any) -> None:
    shop = Shop(write(document()))
    async with serving(shop) as url, opened(tmp_path, openapi(url)) as tools:
        assert tools.names == ["listOrders", "createOrder", "getOrder"]
        assert "odd: " in tools.problems
        results = [
            await tools.call("listOrders", tag=["a", "b c"]),
            await tools.call("createOrder", item="tea", count="2"),
            await tools.call("getOrder", **{"id": "7", "X-Trace": "t"}),
        ]
    assert not any(each.is_error for each in results)
    assert [each["call"] for each in shop.requests] == [
        "GET /v1/orders?tag=a&tag=b%20c",
        "POST /v1/orders",
        "GET /v1/orders/7",
    ]
    assert json.loads(shop.requests[1]["body"]) == {"item": "tea", "count": 2}
    assert shop.requests[1]["content-type"] == "application/json"
    assert shop.requests[2]["x-trace"] == "t"
    assert json.loads(results[2].content) == shop.requests[2]


async def test_arguments_that_do_not_fit_reach_no_server(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop) as url, opened(tmp_path, openapi(url)) as tools:
        for tool, arguments in (("getOrder", {"id": "x"}), ("createOrder", {}), ("odd", {})):
            assert (await tools.call(tool, **arguments)).is_error
    assert shop.requests == []


async def test_a_handler_chooses_operations_and_the_address_of_the_api(tmp_path: Path) -> None:
    shop, api = Shop(), Shop()
    async with serving(shop) as url, serving(api) as other:
        config: dict[str, Any] = {
            "operationFilter": ["getOrder", "gone"],
            "baseURL": f"{other}/api/",
            "headers": {"X-Fixed": "f", "X-Trace": "ours"},
        }
        async with opened(tmp_path, openapi(url, **config)) as tools:
            assert tools.names == ["getOrder"]
            assert "gone: " in tools.problems
            await tools.call("getOrder", **{"id": 1, "X-Trace": "theirs"})
    (seen,) = api.requests
    assert seen["call"] == "GET /api/orders/1"
    assert (seen["x-fixed"], seen["x-trace"]) == ("f", "ours")


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}


@pytest.mark.parametrize(
    ("scheme", "kind", "expected"),
    [
        (None, "bearer", {"authorization": "Bearer s3cret"}),
        ({"type": "http", "scheme": "bearer"}, "bearer", {"authorization": "Bearer s3cret"}),
        (KEY, "bearer", {"x-key": "s3cret"}),
        (
            {**KEY, "in": "query", "name": "k"},
            "bearer",
            {"call": "GET /v1/orders?tag=mine&k=s3cret"},
        ),
    ],
)
async def test_the_credential_goes_where_the_document_wants_it(
    tmp_path: Path, scheme: Any, kind: str, expected: dict[str, str]
) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret")
    security: dict[str, Any] = {"security": [{"it": []}]} if scheme else {}
    made = document(**security)
    made["components"]["securitySchemes"] = {"it": scheme} if scheme else {}
    shop = Shop(json.dumps(made))
    auth = {"auth": {"type": kind, "path": str(path), "origin": "it"}}
    async with serving(shop) as url, opened(tmp_path, openapi(url) | auth) as tools:
        assert not (await tools.call("listOrders", tag=["mine"])).is_error
    (seen,) = shop.requests
    assert expected.items() <= seen.items()
    assert ("authorization" in seen) is ("authorization" in expected)


async def test_nothing_of_the_caller_reaches_an_api(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop) as url, opened(tmp_path, openapi(url)) as tools:
        await tools.call("listOrders")
    assert "authorization" not in shop.requests[0]
    assert "of-the-caller" not in str(shop.requests)


async def test_a_redirect_of_the_document_is_shown_no_credential(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        seen.append({k.lower(): v for k, v in request.headers.items()})
        return web.json_response(document())

    path = tmp_path / "token"
    path.write_text("s3cret")
    auth = {"auth": {"type": "bearer", "path": str(path), "origin": "it"}}
    async with serving(elsewhere) as other:

        async def moved(_: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{other}/new"})

        handler = openapi("", headers={"X-Fixed": "f"}) | auth
        async with serving(moved) as url:
            handler["openAPIConfig"]["specURL"] = url
            async with opened(tmp_path, handler) as tools:
                assert "getOrder" in tools.names
    (headers,) = seen
    assert not {"authorization", "x-fixed"} & headers.keys()


async def circling(request: web.Request) -> web.StreamResponse:
    """Leads to itself."""
    return web.Response(status=302, headers={"Location": request.path})


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("not a document", 200, "OpenAPI document is needed"),
        ('{"openapi": "2.0"}', 200, "convert it to OpenAPI 3"),
        (json.dumps(document()), 500, "answered HTTP 500"),
        ("x" * (MAX_DOCUMENT_BYTES + 1), 200, "larger than 5 MiB"),
        ('{"openapi": "3.1.0", "paths": {}}', 200, "no operations"),
    ],
)
async def test_a_document_that_is_none_is_named_and_leaves_the_others(
    tmp_path: Path, text: str, status: int, said: str
) -> None:
    shop = Shop(text)
    shop.status = status
    async with (
        serving(shop) as url,
        serving(circling) as round_about,
        opened(
            tmp_path, openapi(url), openapi(round_about, "round"), http_tool(url, "other")
        ) as tools,
    ):
        assert said in tools.problems
        assert "redirects more than 3 times" in tools.problems
        assert tools.names == ["other"]
        assert not (await tools.call("other")).is_error


def source(url: str, client: HTTPClient) -> OpenAPISource:
    """A source that asks often."""
    handler = msgspec.convert(openapi(url), ToolHandler)
    quick = Backoff(0.01, 0.01)
    return OpenAPISource(handler, Credential(None), client, interval=0.01, away=quick)


class Watched:
    """A source that is asked, and told of its changes."""

    def __init__(self, url: str) -> None:
        self.client = HTTPClient()
        self.source = source(url, self.client)
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.source.start(self._changed.set)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.source.close()
        await self.client.close()

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.source.specs()]

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(LIMIT):
            while self.names != list(names):
                await self._changed.wait()
                self._changed.clear()

    async def until_said(self, text: str) -> None:
        async with asyncio.timeout(LIMIT):
            while text not in self.source.problem or (not text and self.source.problem):  # noqa: ASYNC110 - a problem is announced by nobody
                await asyncio.sleep(0.01)


def offering(*operations: str) -> str:
    paths = {f"/{each}": {"get": {"operationId": each}} for each in operations}
    return json.dumps({"openapi": "3.1.0", "info": {}, "paths": paths})


async def test_a_document_that_changes_changes_the_tools() -> None:
    shop = Shop(offering("one"))
    async with serving(shop) as url, Watched(url) as watched:
        await watched.until("one")
        shop.text = offering("one", "two")
        await watched.until("one", "two")
        shop.text = offering("two")
        await watched.until("two")
        with pytest.raises(Exception, match='no longer has an operation "one"'):
            await watched.source.call("one", {}, CallContext())
        assert not (await watched.source.call("two", {}, CallContext())).is_error


async def test_the_last_good_document_stays_while_the_server_is_away() -> None:
    shop = Shop(offering("one"))
    async with serving(shop) as url, Watched(url) as watched:
        await watched.until("one")
        shop.status = 503
        await watched.until_said("HTTP 503")
        assert watched.names == ["one"]
        shop.status, shop.text = 200, "nonsense"
        await watched.until_said("is needed")
        assert watched.names == ["one"]
        shop.text = offering("one")
        await watched.until_said("")
        assert watched.names == ["one"]


async def test_a_server_that_comes_later_is_found() -> None:
    port = free_port()
    async with Watched(f"http://127.0.0.1:{port}") as watched:
        await watched.until_said("cannot be reached")
        async with serving(Shop(offering("one")), port):
            await watched.until("one")
        await watched.until_said("cannot be reached")
        assert watched.names == ["one"]


async def test_a_credential_that_comes_later_is_used_for_the_document(tmp_path: Path) -> None:
    path = tmp_path / "token"
    seen: list[str] = []

    async def guarded(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(text=offering("one"))

    async with serving(guarded) as url:
        handler = msgspec.convert(
            openapi(url) | {"auth": {"type": "bearer", "path": str(path), "origin": "SECRET"}},
            ToolHandler,
        )
        client = HTTPClient()
        quick = Backoff(0.01, 0.01)
        found = OpenAPISource(handler, Credential(handler.auth), client, 0.01, quick)
        changed = asyncio.Event()
        found.start(changed.set)
        try:
            await found.settled()
            assert "SECRET" in found.problem
            assert seen == []
            path.write_text("t")
            async with asyncio.timeout(LIMIT):
                await changed.wait()
        finally:
            await found.close()
            await client.close()
    assert set(seen) == {"Bearer t"}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [(500, b"oops", "HTTP 500: oops"), (404, b"gone", "HTTP 404: gone"), (200, b"x" * 20, "xxx")],
)
async def test_answers_are_told_as_those_of_http_tools(
    tmp_path: Path, status: int, body: bytes, said: str
) -> None:
    async def api(request: web.Request) -> web.StreamResponse:
        if request.path == "/openapi.json":
            return web.Response(text=offering("one"))
        return web.Response(body=body, status=status)

    async with serving(api) as url, opened(tmp_path, openapi(url)) as tools:
        result = await tools.call("one")
    assert said in result.content
    assert result.is_error is (status != 200)


async def test_an_answer_that_is_huge_or_slow_is_given_up(tmp_path: Path) -> None:
    async def api(request: web.Request) -> web.StreamResponse:
        if request.path == "/openapi.json":
            return web.Response(text=offering("huge", "slow"))
        if request.path == "/slow":
            await asyncio.Event().wait()
        return web.Response(body=b"x" * (MAX_RESPONSE_BYTES + 1))

    handler = {"timeout": "300ms"}
    async with serving(api) as url, opened(tmp_path, openapi(url) | handler) as tools:
        assert "10 MiB" in (await tools.call("huge")).content
        assert "did not answer within 0.3 s" in (await tools.call("slow")).content


async def test_calls_are_tried_again_as_the_policy_says(tmp_path: Path) -> None:
    flaky = Flaky(503, 0)
    policy = {"maxAttempts": 3, "initialBackoff": "1ms", "maxBackoff": "1ms"}
    async with serving(Shop(offering("one"))) as url, serving(flaky) as api:
        handler = openapi(url, baseURL=api, retryPolicy=policy)
        async with opened(tmp_path, handler) as tools:
            assert not (await tools.call("one")).is_error
    assert len(flaky.bodies) == 3


async def test_a_turn_survives_tools_that_change_while_it_runs() -> None:
    shop = Shop(offering("one", "both"))
    async with serving(shop) as url, Watched(url) as watched:
        await watched.until("one", "both")
        routes, _ = route_tools([watched.source])
        manager = ToolManager(routes, routes, metrics())
        shop.text = offering("both", "new")
        await watched.until("both", "new")
        gone = await called(manager, "one")
        assert gone.is_error
        assert "no longer has" in gone.content
        assert not (await called(manager, "both")).is_error
        assert "there is no tool" in (await called(manager, "new")).content


async def test_two_documents_with_the_same_operation_both_keep_their_tools(
    tmp_path: Path,
) -> None:
    first, second = Shop(offering("search")), Shop(offering("search"))
    async with serving(first) as one, serving(second) as two:
        handlers = openapi(one, "crm"), openapi(two, "wiki")
        async with opened(tmp_path, *handlers) as tools:
            assert tools.names == ["search", "wiki__search"]
            await tools.call("search")
            await tools.call("wiki__search")
            assert '"wiki__search"' in tools.problems
    assert len(first.requests) == len(second.requests) == 1


async def test_a_filter_makes_a_larger_document_usable(tmp_path: Path) -> None:
    shop = Shop(json.dumps(document(padding="x" * MAX_DOCUMENT_BYTES)))
    async with serving(shop) as url:
        async with opened(tmp_path, openapi(url)) as tools:
            assert tools.names == []
            assert "larger than 5 MiB: name its operations in operationFilter" in tools.problems
        async with opened(tmp_path, openapi(url, operationFilter=["getOrder"])) as tools:
            assert tools.names == ["getOrder"]
            assert not (await tools.call("getOrder", id=1)).is_error
        shop.text = "x" * (MAX_FILTERED_BYTES + 1)
        async with opened(tmp_path, openapi(url, operationFilter=["getOrder"])) as tools:
            assert "larger than 24 MiB: divide it" in tools.problems


async def test_many_operations_that_cannot_be_tools_are_named_up_to_a_number(
    tmp_path: Path,
) -> None:
    paths: dict[str, Any] = {f"/{number}": None for number in range(60)} | {"/good": {"get": {}}}
    shop = Shop(json.dumps(document(paths=paths)))
    async with serving(shop) as url, opened(tmp_path, openapi(url)) as tools:
        assert tools.names == ["get_good"]
        assert "; /49: " in tools.problems
        assert "; and 10 more" in tools.problems
        assert "/50: " not in tools.problems


async def test_a_form_and_a_cookie_reach_the_server(tmp_path: Path) -> None:
    form = {
        "operationId": "order",
        "parameters": [{"name": "basket", "in": "cookie", "schema": {}}],
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "properties": {"item": {"type": "string"}}}
                }
            }
        },
        "security": [{"key": []}],
    }
    key = {"key": {"type": "apiKey", "in": "cookie", "name": "session"}}
    shop = Shop(
        json.dumps(document(paths={"/orders": {"post": form}}, components={"securitySchemes": key}))
    )
    token = tmp_path / "token"
    token.write_text("s3cret")
    auth = {"auth": {"type": "bearer", "path": str(token), "origin": "it"}}
    async with serving(shop) as url, opened(tmp_path, openapi(url) | auth) as tools:
        await tools.call("order", item="green tea", basket="b", session="mine")
        await tools.call("order", item="green tea", basket="b")
        await tools.call("order")
    sent = [(each["body"], each.get("content-type"), each["cookie"]) for each in shop.requests]
    assert sent == [
        ("item=green%20tea", "application/x-www-form-urlencoded", "basket=b; session=s3cret"),
        ("", None, "session=s3cret"),
    ]
