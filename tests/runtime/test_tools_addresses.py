"""Private addresses can be refused, whatever name leads to them."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from omnia_core.addresses import AddressRefused, checked_socket, is_local, is_private
from omnia_core.env import RuntimeEnv
from tests.runtime.scripted import http_tool
from tests.runtime.servers import serving
from tests.runtime.test_tools_retry import Flaky
from tests.runtime.test_tools_sources import Shop, openapi
from tests.runtime.tooling import opened


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "168.63.129.16",
        "::127.0.0.1",
        "fec0::1",
        "5f00::1",
        "3fff::1",
        "100::1",
        "100:0:0:1::1",
        "2001:db8::1",
        "2001:10::1",
        "64:ff9b:1::7f00:1",
        "2001:0:0:0:0:0:80ff:fffe",
        "2606:4700::5efe:a9fe:a9fe",
        "2606:4700::200:5efe:a00:1",
        "not an address",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert not is_private(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2606:4700::5efe:7f00:1",
        "224.0.0.1",
        "not an address",
    ],
)
def test_this_machine_its_link_and_metadata_services_are_local(address: str) -> None:
    assert is_local(address)
    assert is_private(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "fd00::1", "1.1.1.1", "2606::1"])
def test_other_addresses_of_a_network_are_not_local(address: str) -> None:
    assert not is_local(address)


def test_the_socket_of_a_public_address_is_made_and_of_a_private_one_is_not() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    make = checked_socket(is_private)
    make((*info, ("1.1.1.1", 80))).close()
    with pytest.raises(AddressRefused):
        make((*info, ("10.1.1.1", 80)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_tool_at_a_private_address_is_not_called(tmp_path: Path, host: str) -> None:
    server = Flaky()
    async with serving(server) as url:
        at = url.replace("127.0.0.1", host)
        async with opened(tmp_path, http_tool(at), deny_private=True) as tools:
            result = await tools.call()
        assert result.is_error
        assert "private address" in result.content
        assert server.bodies == []
        async with opened(tmp_path, http_tool(url)) as tools:
            assert not (await tools.call()).is_error


async def test_a_name_that_changes_its_address_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    answers = ["1.1.1.1", "127.0.0.1"]

    def rebinding(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "rebind.example":
            return real(answers.pop(0) if len(answers) > 1 else answers[0], *rest, **more)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    loop = asyncio.get_running_loop()
    # a look before the connection, as a careless check does it, finds a public address
    looked = await loop.getaddrinfo("rebind.example", 80, type=socket.SOCK_STREAM)
    assert not is_private(str(looked[0][4][0]))
    server = Flaky()
    async with serving(server) as url:
        at = url.replace("127.0.0.1", "rebind.example")
        async with opened(tmp_path, http_tool(at), deny_private=True) as tools:
            result = await tools.call()
        async with opened(tmp_path, http_tool(at)) as tools:
            assert not (await tools.call()).is_error
    assert "private address" in result.content
    assert len(server.bodies) == 1


async def test_a_document_at_a_private_address_is_not_fetched(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop) as url, opened(tmp_path, openapi(url), deny_private=True) as tools:
        assert tools.names == []
        assert "private address" in tools.problems
    assert shop.fetched == 0


async def test_servers_that_cannot_be_kept_public_are_refused_altogether(tmp_path: Path) -> None:
    handler = {"name": "a", "type": "grpc", "grpcConfig": {"endpoint": "1.1.1.1:1"}}
    async with opened(tmp_path, handler, deny_private=True) as tools:
        assert "cannot be limited to public addresses" in tools.problems


def test_the_refusal_is_a_setting_of_the_runtime() -> None:
    environ = {"OMNIA_AGENT_NAME": "a"}
    assert not RuntimeEnv.parse(environ).tools_deny_private_addresses
    environ["OMNIA_TOOLS_DENY_PRIVATE_ADDRESSES"] = "true"
    assert RuntimeEnv.parse(environ).tools_deny_private_addresses
