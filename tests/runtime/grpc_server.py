"""A gRPC tool server, and certificates for it."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from omnia_core.wire.tools.v1 import tools_pb2 as pb
from omnia_core.wire.tools.v1 import tools_pb2_grpc
from tests.services import free_port

Context = grpc.aio.ServicerContext[Any, Any]


class GRPCTools(tools_pb2_grpc.ToolServiceServicer):
    """Does what the name of a tool says.

    Attributes:
        names: the tools that it lists; a server without any cannot list.
        requests, metadata: what was asked, and with which call metadata.
        asked: is set when a call has begun; `listed` when the tools were listed.
        answers: is waited for by `slow`.
        refusals: what the next calls are refused with.
        mood: the name of a tool that every call is taken for, "" for its own.
    """

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.requests: list[pb.ToolRequest] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.asked, self.listed, self.answers = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.refusals: list[grpc.StatusCode] = []
        self.mood = ""
        self.schema = '{"type": "object"}'

    async def ListTools(  # noqa: N802 - the name of the RPC
        self,
        request: pb.ListToolsRequest,  # noqa: ARG002 - grpc calls with it
        context: Context,
    ) -> pb.ListToolsResponse:
        if not self.names:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no lists")
        self.listed.set()
        tools = [
            pb.ToolInfo(name=name, description=f"does {name}", input_schema=self.schema)
            for name in self.names
        ]
        return pb.ListToolsResponse(tools=tools)

    async def Execute(  # noqa: N802 - likewise
        self, request: pb.ToolRequest, context: Context
    ) -> pb.ToolResponse:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.asked.set()
        if self.refusals:
            await context.abort(self.refusals.pop(0), "not now")
        match self.mood or request.tool_name:
            case "slow":
                await self.answers.wait()
            case "huge":
                return pb.ToolResponse(result_json=f'"{"x" * (11 << 20)}"')
            case "text":
                return pb.ToolResponse(result_json="plain ä")
            case "fails":
                return pb.ToolResponse(
                    is_error=True, error_message="no such order", result_json='{"a": 1}'
                )
            case _:
                pass
        said = {"tool": request.tool_name, "arguments": orjson.loads(request.arguments_json)}
        return pb.ToolResponse(result_json=orjson.dumps(said).decode())


@contextlib.asynccontextmanager
async def serving(
    service: tools_pb2_grpc.ToolServiceServicer,
    port: int | None = None,
    credentials: grpc.ServerCredentials | None = None,
) -> AsyncIterator[str]:
    """Serve until the end of the block, which ends running calls too; yield the address."""
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    tools_pb2_grpc.add_ToolServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call] # generated
    address = f"127.0.0.1:{port or free_port()}"
    if credentials:
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


def certificate(folder: Path, name: str, *hosts: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for 127.0.0.1 and for host names.

    Returns:
        Its file, and that of its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                    *(x509.DNSName(host) for host in hosts),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file
