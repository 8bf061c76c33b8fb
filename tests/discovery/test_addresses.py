"""The operator asks for the authors of manifests, who must not see the network that it sees."""

import asyncio

import pytest
from aiohttp import web

from omnia_core.addresses import is_local, is_private
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import Egress, ServerDiscovery
from omnia_operator.discovery.failure import REFUSED
from omnia_operator.discovery.issuers import discover as discover_issuer
from omnia_operator.resolve import NoKeys
from tests.discovery import given
from tests.discovery.test_cache import PROBING
from tests.services import free_port


async def asked_of(server: ToolHandler) -> str:
    found = await ServerDiscovery(Egress(is_local)).discover(server, PROBING)
    assert found.status is ToolStatus.UNAVAILABLE
    return found.error or ""


def handlers(host: str, port: int) -> list[ToolHandler]:
    url = f"http://{host}:{port}/x"
    return [
        given.http(url),
        given.openapi(url),
        given.mcp(url),
        given.mcp(url, "sse"),
        given.grpc(f"{host}:{port}"),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8"])
async def test_no_server_of_the_operators_own_machine_is_asked(host: str) -> None:
    reached: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.json_response({})

    async with given.web_server(answer) as url:
        port = int(url.rpartition(":")[2])
        for server in handlers(host, port):
            assert (await asked_of(server)).endswith(REFUSED)
        # Whoever asks must not learn whether somebody listens there.
        for server in handlers(host, free_port()):
            assert (await asked_of(server)).endswith(REFUSED)
    assert reached == []


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fe80::1]", "[::ffff:127.0.0.1]", "168.63.129.16", "0.0.0.0"]
)
async def test_link_local_and_metadata_addresses_are_not_asked(address: str) -> None:
    for server in handlers(address, 80):
        assert (await asked_of(server)).endswith(REFUSED)


async def test_private_addresses_are_not_asked_where_that_is_chosen() -> None:
    for server in handlers("10.1.2.3", 80):
        found = await ServerDiscovery(Egress(is_private)).discover(server, PROBING)
        assert (found.error or "").endswith(REFUSED)


async def test_no_issuer_of_the_operators_own_machine_is_asked() -> None:
    async def never(request: web.Request) -> web.Response:
        raise AssertionError(request.path)

    async with given.web_server(never) as url:
        for issuer in (url, f"http://127.0.0.1:{free_port()}", "http://169.254.169.254"):
            answer = await discover_issuer(issuer, Egress(is_local))
            assert isinstance(answer, NoKeys)
            assert answer.message.endswith(REFUSED)


@pytest.mark.parametrize(
    ("location", "followed"),
    [("/other", True), ("other?x=1", True), ("http://127.0.0.2:{port}/other", False)],
)
async def test_a_redirect_is_followed_within_its_server_only(
    location: str, *, followed: bool
) -> None:
    paths: list[str] = []
    document = {"openapi": "3.0.0", "info": {}, "paths": {"/a": {"get": {"operationId": "a"}}}}

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        if request.path == "/spec":
            port = request.url.port
            return web.Response(status=302, headers={"Location": location.format(port=port)})
        return web.json_response(document)

    async with given.web_server(answer) as url:
        found = await given.discover(given.openapi(f"{url}/spec"))
    if followed:
        assert (found.status, paths) == (ToolStatus.AVAILABLE, ["/spec", "/other"])
    else:
        assert "redirects to another server" in (found.error or "")
        assert paths == ["/spec"]


async def test_redirects_end() -> None:
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/spec"})

    async with asyncio.timeout(20), given.web_server(answer) as url:
        found = await given.discover(given.openapi(f"{url}/spec"))
    assert "redirects more than 3 times" in (found.error or "")
    assert len(paths) == 4
