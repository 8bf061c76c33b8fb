"""Servers that the operator reaches by a proxy only, and whose certificates a company signs."""

import asyncio
import contextlib
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from aiohttp import web
from hypothesis import given as each_of
from hypothesis import strategies as st

from omnia_core.addresses import is_local
from omnia_core.env import OperatorEnv
from omnia_core.env.contract import SecretStr
from omnia_core.wire.tools.v1 import tools_pb2_grpc
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import Egress, HandlerTools, Proxies, ServerDiscovery
from omnia_operator.discovery.failure import PROXY, REFUSED
from omnia_operator.discovery.issuers import WELL_KNOWN, discover
from omnia_operator.resolve import IssuerKeys, NoKeys
from tests.discovery import given
from tests.discovery.forward_proxy import ForwardProxy
from tests.discovery.test_cache import PROBING
from tests.discovery.test_grpc_server import Tools
from tests.runtime.grpc_server import certificate
from tests.runtime.raw_mcp_server import GOOD, RawServer
from tests.services import LIMIT, free_port

# The domain .invalid has no servers (RFC 6761): only the proxy knows this one.
HOST = "tools.invalid"
UNTRUSTED = "untrusted certificate"
DOCUMENT = {"openapi": "3.0.0", "info": {}, "paths": {"/a": {"get": {"operationId": "a"}}}}
KEYS = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "A" * 43}]}


@dataclass(frozen=True)
class Servers:
    """Servers behind a proxy.

    Attributes:
        ca: the certificate that theirs are checked with.
        proxy: the proxy, and `address` its URL.
        handlers: a handler for each kind of server with TLS.
    """

    ca: Path
    proxy: ForwardProxy
    address: str
    handlers: tuple[ToolHandler, ...]

    def egress(self, *, ca: bool = True, bypassed: tuple[str, ...] = ()) -> Egress:
        secret = SecretStr(self.address)
        return Egress(is_local, Proxies(secret, secret, bypassed), str(self.ca) if ca else "")


async def answer(request: web.Request) -> web.StreamResponse:
    if request.path == "/mcp":
        return await RawServer(GOOD)(request)
    issuer = f"https://{HOST}"
    return web.json_response(
        {
            "/document": DOCUMENT,
            WELL_KNOWN: {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/keys": KEYS,
        }[request.path]
    )


@contextlib.asynccontextmanager
async def behind_a_proxy(folder: Path, user: str = "") -> AsyncIterator[Servers]:
    cert, key = certificate(folder, "company", HOST, f"grpc.{HOST}")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    pair = [(key.read_bytes(), cert.read_bytes())]
    server = grpc.aio.server()
    tools_pb2_grpc.add_ToolServiceServicer_to_server(Tools("find_order"), server)  # type: ignore[no-untyped-call]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
    await server.start()
    try:
        async with given.web_server(answer, tls) as url:
            hosts = {HOST: int(url.rpartition(":")[2]), f"grpc.{HOST}": port}
            proxy = ForwardProxy(hosts, user)
            async with proxy.serving() as address:
                handlers = (
                    given.openapi(f"https://{HOST}/document"),
                    given.mcp(f"https://{HOST}/mcp"),
                    secure_grpc(f"grpc.{HOST}:443"),
                )
                yield Servers(cert, proxy, address, handlers)
    finally:
        await server.stop(None)


def secure_grpc(endpoint: str) -> ToolHandler:
    config = {"endpoint": endpoint, "tls": True}
    return given.handler(name="stock", type="grpc", tool=given.TOOL, grpcConfig=config)


async def asked(server: ToolHandler, egress: Egress) -> HandlerTools:
    return await ServerDiscovery(egress).discover(server, given.CONTEXT)


@pytest.mark.parametrize("user", ["", "jo:s3cret"])
async def test_tool_servers_are_asked_by_the_proxy_and_checked_with_the_given_certificates(
    tmp_path: Path, user: str
) -> None:
    async with behind_a_proxy(tmp_path, user) as servers:
        for server in servers.handlers:
            found = await asked(server, servers.egress())
            assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert set(servers.proxy.asked) == {f"{HOST}:443", f"grpc.{HOST}:443"}


async def test_a_token_issuer_is_asked_by_the_proxy(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as servers:
        found = await discover(f"https://{HOST}", servers.egress())
        unknown = await discover(f"https://{HOST}", servers.egress(ca=False))
    assert isinstance(found, IssuerKeys)
    assert isinstance(unknown, NoKeys)
    assert UNTRUSTED in unknown.message


async def test_certificates_that_are_not_given_are_not_trusted(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as servers:
        *https, rpc = servers.handlers
        for server in https:
            found = await asked(server, servers.egress(ca=False))
            assert UNTRUSTED in (found.error or "")
        # gRPC does not say why there is no connection.
        assert (await asked(rpc, servers.egress(ca=False))).status is ToolStatus.UNAVAILABLE


async def test_hosts_of_no_proxy_are_asked_directly(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as servers:
        for server in servers.handlers:
            found = await asked(server, servers.egress(bypassed=(f".{HOST}", HOST)))
            assert "unknown host name" in (found.error or "")
    assert servers.proxy.asked == []


async def test_the_certificates_are_trusted_without_a_proxy_too(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as servers:
        egress = Egress(lambda _: False, ca_file=str(servers.ca))
        web_address = f"https://127.0.0.1:{servers.proxy.hosts[HOST]}"
        for server in (
            given.openapi(f"{web_address}/document"),
            given.mcp(f"{web_address}/mcp"),
            secure_grpc(f"127.0.0.1:{servers.proxy.hosts[f'grpc.{HOST}']}"),
        ):
            found = await asked(server, egress)
            assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert servers.proxy.asked == []


async def test_plain_http_is_asked_by_the_proxy_and_a_probe_is_not_made(tmp_path: Path) -> None:
    seen: list[str] = []

    async def document(request: web.Request) -> web.Response:
        seen.append(request.headers["host"])
        return web.json_response(DOCUMENT)

    async with given.web_server(document) as url:
        proxy = ForwardProxy({HOST: int(url.rpartition(":")[2])})
        async with proxy.serving() as address:
            egress = Egress(is_local, Proxies(http=SecretStr(address)))
            found = await asked(given.openapi(f"http://{HOST}/document"), egress)
            probed = await ServerDiscovery(egress).discover(given.http(f"http://{HOST}"), PROBING)
    assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert (seen, proxy.asked) == ([HOST], [f"{HOST}:80"])
    assert probed.status is ToolStatus.UNKNOWN
    assert "a probe would reach the proxy only" in (probed.error or "")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "127.0.0.1", "localhost", "[::ffff:169.254.1.1]"]
)
async def test_no_refused_address_is_asked_by_the_proxy(tmp_path: Path, host: str) -> None:
    async with behind_a_proxy(tmp_path) as servers:
        for server in (
            given.openapi(f"https://{host}/document"),
            given.mcp(f"https://{host}/mcp"),
            secure_grpc(f"{host}:443"),
            given.openapi(f"http://{host}/document"),
        ):
            assert (await asked(server, servers.egress())).error.endswith(REFUSED)  # type: ignore[union-attr]
    assert servers.proxy.asked == []


async def test_a_proxy_that_does_not_help_is_told(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path, "jo:s3cret") as servers:
        *https, rpc = servers.handlers
        wrong = servers.address.replace("s3cret", "guess")
        dead = f"http://127.0.0.1:{free_port()}"
        for address in (wrong, dead):
            proxies = Proxies(https=SecretStr(address))
            for server in https:
                found = await asked(server, Egress(is_local, proxies, str(servers.ca)))
                assert (found.error or "").endswith(PROXY), (server.type, address)
            found = await asked(rpc, Egress(is_local, proxies, str(servers.ca)))
            assert found.status is ToolStatus.UNAVAILABLE


async def test_new_certificates_are_used_without_a_restart(tmp_path: Path) -> None:
    async with behind_a_proxy(tmp_path) as servers:
        bundle = tmp_path / "bundle.crt"
        (tmp_path / "others").mkdir()
        shutil.copy(certificate(tmp_path / "others", "other", HOST)[0], bundle)
        egress = Egress(is_local, Proxies(https=SecretStr(servers.address)), str(bundle))
        for server in servers.handlers:
            assert (await asked(server, egress)).status is ToolStatus.UNAVAILABLE
        # Kubernetes replaces a mounted file as a whole.
        shutil.move(shutil.copy(servers.ca, tmp_path / "new.crt"), bundle)
        for server in servers.handlers:
            assert (await asked(server, egress)).status is ToolStatus.AVAILABLE


@pytest.mark.parametrize("content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nA"])
async def test_a_file_without_certificates_is_told(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "bundle.crt"
    if content is not None:
        bundle.write_text(content)
    egress = Egress(lambda _: False, ca_file=str(bundle))
    for server in (
        given.openapi("https://127.0.0.1:1/x"),
        given.mcp("https://127.0.0.1:1/x"),
        secure_grpc("127.0.0.1:1"),
    ):
        found = await asked(server, egress)
        assert "expected certificates in PEM; correct discovery.caBundle" in (found.error or "")


@pytest.mark.parametrize(
    ("entry", "url", "direct"),
    [
        ("*", "https://example.com", True),
        ("", "https://example.com", False),
        ("example.com", "https://example.com", True),
        ("example.com", "https://EXAMPLE.com.", True),
        ("Example.COM", "https://api.example.com", True),
        ("example.com", "https://notexample.com", False),
        (".example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", False),
        ("*.example.com", "https://api.example.com", True),
        ("*.example.com", "https://example.com", False),
        ("example.com:8443", "https://example.com:8443", True),
        ("example.com:8443", "https://example.com", False),
        ("example.com:443", "https://example.com", True),
        (" .svc ", "http://orders.shop.svc:8080/x", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:80", "http://10.1.2.3", True),
        ("10.1.2.3:81", "http://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::1]:443", "https://[fd00::1]", True),
        ("fd00::1", "https://[fd00::2]", False),
        ("", "https://localhost:1", True),
        ("", "http://127.0.0.9", True),
        ("", "http://[::1]", True),
    ],
)
def test_no_proxy_is_read_as_others_read_it(entry: str, url: str, *, direct: bool) -> None:
    secret = SecretStr("http://proxy:3128")
    found = Proxies(secret, secret, (entry,)).of(url)
    assert found == (None if direct else "http://proxy:3128")


@each_of(st.text(max_size=40), st.sampled_from(["example.com", "10.1.2.3", "[fd00::1]"]))
def test_no_entry_of_no_proxy_is_an_error(entry: str, host: str) -> None:
    secret = SecretStr("http://proxy:3128")
    assert Proxies(secret, secret, (entry,)).of(f"https://{host}") in (None, secret.reveal())


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = Proxies(http=SecretStr("http://a:1"))
    assert proxies.of("http://example.com") == "http://a:1"
    assert proxies.of("https://example.com") is None


def test_the_environment_has_the_usual_names_and_hides_passwords() -> None:
    environ = {
        "OMNIA_FACADE_IMAGE": "f",
        "OMNIA_RUNTIME_IMAGE": "r",
        "HTTPS_PROXY": "http://jo:s3cret@proxy:3128",
        "NO_PROXY": ".svc,10.0.0.0/8",
    }
    env: Any = OperatorEnv.parse(environ)
    assert env.https_proxy.reveal() == environ["HTTPS_PROXY"]
    assert env.no_proxy == (".svc", "10.0.0.0/8")
    assert env.http_proxy is None
    assert "s3cret" not in repr(env)


async def test_the_api_server_is_not_asked_by_the_proxy(tmp_path: Path) -> None:
    asked_for: list[str] = []
    enough = asyncio.Event()

    async def api_server(request: web.Request) -> web.Response:
        asked_for.append(request.path)
        # kopf looks which groups there are, and lightkube lists the resources.
        if "/apis" in asked_for and any(each.startswith("/apis/omnia") for each in asked_for):
            enough.set()
        return web.json_response({"kind": "Status", "status": "Failure"}, status=503)

    proxy = ForwardProxy({})
    async with given.web_server(api_server) as url, proxy.serving() as address:
        config = tmp_path / "kubeconfig"
        config.write_text(KUBECONFIG.format(server=url))
        variables = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        environ = dict.fromkeys((*variables, *map(str.lower, variables)), address) | {
            "KUBECONFIG": str(config),
            "OMNIA_FACADE_IMAGE": "facade",
            "OMNIA_RUNTIME_IMAGE": "runtime",
            "OMNIA_BIND_ADDRESS": "127.0.0.1",
            "OMNIA_HEALTH_PORT": str(free_port()),
        }
        command = (sys.executable, "-m", "omnia_operator")
        program = await asyncio.create_subprocess_exec(*command, env=environ)
        try:
            async with asyncio.timeout(LIMIT):
                await enough.wait()
        finally:
            program.kill()
            await program.wait()
    assert proxy.asked == []


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: "{server}"}}}}]
users: [{{name: test, user: {{token: none}}}}]
"""
