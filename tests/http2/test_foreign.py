"""Whom our server takes for a client of gRPC, what of metadata it sees, and where it listens."""

import asyncio
import socket

import grpc
import pytest

from omnia_rpc.client import Channel
from omnia_rpc.headers import RpcFailed, StatusCode, from_fields
from omnia_rpc.http2 import frames
from omnia_rpc.http2.header_fields import encode
from omnia_rpc.server import Server, ServerCall
from tests.http2.ends import End, headers, kinds
from tests.http2.test_calls import LIMIT, Ours, channel, dialled, our_server


def ask(method: str, content_type: str) -> tuple[End, bytes]:
    """Return a server, and what it answers to a request."""
    end = End(server=True)
    end.connection.accept = Server(Ours().handlers, max_message_bytes=10).accept
    block = encode(
        (
            (":method", method),
            (":scheme", "http"),
            (":path", "/t.S/Echo"),
            ("content-type", content_type),
        )
    )
    end.receiver.receive(frames.PREFACE + frames.settings({}))
    end.take()
    end.receiver.receive(headers(1, block=block, end=True))
    return end, end.take()


@pytest.mark.parametrize(
    ("method", "content_type", "status"),
    [
        ("POST", "text/html", b"415"),
        ("POST", "", b"415"),
        ("POST", "application/grpc-web", b"415"),
        ("POST", "application/grpc-web+proto", b"415"),
        ("POST", "application/grpcother", b"415"),
        ("GET", "application/grpc", b"405"),
        ("PUT", "text/html", b"405"),
        ("HEAD", "application/grpc", b"405"),
    ],
)
async def test_another_protocol_gets_an_answer_of_http(
    method: str, content_type: str, status: bytes
) -> None:
    end, said = ask(method, content_type)
    assert b"\x07:status\x03" + status in said
    assert (b"allow" in said) == (status == b"405")
    has_body = (frames.DATA, 1) in kinds(said)
    assert has_body == (method != "HEAD")
    assert not end.connection.streams
    assert end.connection.failed is None


@pytest.mark.parametrize(
    "content_type",
    ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"],
)
async def test_every_kind_of_grpc_is_a_call(content_type: str) -> None:
    end, _ = ask("POST", content_type)
    call = end.connection.streams[1].listener
    assert isinstance(call, ServerCall)
    # Let its task end.
    while end.connection.streams:
        await asyncio.sleep(0)
        end.take()


async def test_binary_metadata_that_comes_more_than_once_is_all_there() -> None:
    served = Ours()
    given = (("x-bin", b"\x00\xff"), ("x-bin", b""), ("x-bin", b"second"), ("y-bin", b"one"))
    async with our_server(served) as port, channel(port) as ours, dialled(port) as theirs:
        await ours.unary("/t.S/Echo", b"x", given)
        await theirs.unary_unary("/t.S/Echo")(b"x", metadata=given)
    expected = {"x-bin": (b"\x00\xff", b"", b"second"), "y-bin": b"one"}
    assert served.metadata == [expected, expected]


def test_binary_metadata_may_come_joined_by_commas() -> None:
    fields = [("x-bin", "AP8=,c2Vjb25k"), ("x-bin", "eA")]
    assert from_fields(fields) == {"x-bin": (b"\x00\xff", b"second", b"x")}


@pytest.mark.parametrize("size", [70_000, 200_000])
async def test_too_much_metadata_fails_its_call_and_says_what_is_taken(size: int) -> None:
    given = (("x-large", "v" * size),)
    async with our_server() as port, channel(port) as ours, dialled(port) as theirs:
        running = ours.call("/t.S/Echo")
        await running.write(b"before")
        with pytest.raises(RpcFailed, match="at most 65536 are accepted") as failed:
            await ours.unary("/t.S/Echo", b"x", given)
        assert failed.value.code is StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.RpcError, match="at most 65536 are accepted") as refused:
            await theirs.unary_unary("/t.S/Echo")(b"x", metadata=given)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await theirs.unary_unary("/t.S/Echo")(b"x") == b"x"
        assert await running.read() == b"before"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_the_address_of_ipv6_for_all_takes_ipv4_as_well(address: str) -> None:
    server = Server(Ours().handlers, max_message_bytes=10)
    port = await server.start("::", 0)
    ours = Channel(address, port, max_message_bytes=10, user_agent="tests")
    async with asyncio.timeout(LIMIT):
        assert await ours.unary("/t.S/Echo", b"x") == b"x"
    await ours.close()
    await server.stop(0)
