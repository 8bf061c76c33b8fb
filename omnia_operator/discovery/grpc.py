"""Asks gRPC servers of `omnia.tools.v1` for their tools."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from omnia_core.addresses import allowed_address
from omnia_core.errors import ConfigurationError
from omnia_operator.api.toolconfig import GrpcConfig
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import HttpStatus
from omnia_operator.discovery.port import OnlyTheAgentKnows

if TYPE_CHECKING:
    import grpc

_PORTS = {False: 80, True: 443}


async def ask(
    config: GrpcConfig, tool: str, headers: Mapping[str, str], limit: float, egress: Egress
) -> None:
    """Check that a server has a tool, if it can list its tools.

    Raises:
        OnlyTheAgentKnows: the connection needs files of the agent's pod.
        ConfigurationError: the server does not have the tool.
        Exception: of the connection.
    """
    import grpc.aio  # noqa: PLC0415 - loaded only when a registry has a gRPC server

    try:
        names = await _listed(config, headers, limit, egress)
    except grpc.aio.AioRpcError as error:
        # The text of the error may have details that do not belong into a status.
        raise _cause(error.code()) from None
    if names is not None and tool not in names:
        has = ", ".join(sorted(names)[:20]) or "none"
        raise ConfigurationError(f'it has no tool "{tool}" (its tools: {has}): correct tool.name')


async def _listed(
    config: GrpcConfig, headers: Mapping[str, str], limit: float, egress: Egress
) -> frozenset[str] | None:
    import grpc.aio  # noqa: PLC0415 - as above

    from omnia_core.wire.tools.v1 import tools_pb2, tools_pb2_grpc  # noqa: PLC0415 - as above

    async with await _channel(config, egress) as channel:
        stub = tools_pb2_grpc.ToolServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        call = stub.ListTools(
            tools_pb2.ListToolsRequest(), timeout=limit, metadata=tuple(headers.items())
        )
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise
    return frozenset(found.name for found in answer.tools)


async def _channel(config: GrpcConfig, egress: Egress) -> "grpc.aio.Channel":
    import grpc.aio  # noqa: PLC0415 - as above

    named = (config.endpoint or "").removeprefix("grpc://")
    parts = urlsplit(f"//{named}")
    port = parts.port or _PORTS[config.tls]
    options: list[tuple[str, str | int]] = [("grpc.default_authority", named)]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    proxy = await egress.proxy(f"{'https' if config.tls else 'http'}://{host}:{port}")
    if proxy is not None:
        target = f"dns:///{host}:{port}"
        options.append(("grpc.http_proxy", proxy))
    else:
        address = await allowed_address(parts.hostname or "", port, egress.refuses)
        # The checked address, by the name that the server's certificate has.
        target = f"ipv6:[{address}]:{port}" if ":" in address else f"ipv4:{address}:{port}"
        options.append(("grpc.enable_http_proxy", 0))
    if not config.tls:
        return grpc.aio.insecure_channel(target, options=options)
    if config.tls_insecure_skip_verify:
        raise OnlyTheAgentKnows(
            "the handler skips verification of its certificate, which the operator never does"
        )
    # A manifest must not make the operator open a file of its own pod: a key, a device, a pipe.
    if config.tls_ca_path or config.tls_cert_path or config.tls_key_path:
        raise OnlyTheAgentKnows(
            "its certificates are files of the agent's pod, so only the pod can ask it"
        )
    options.append(("grpc.ssl_target_name_override", parts.hostname or ""))
    credentials = grpc.ssl_channel_credentials(root_certificates=egress.roots())
    return grpc.aio.secure_channel(target, credentials, options=options)


def _cause(code: "grpc.StatusCode") -> Exception:
    import grpc  # noqa: PLC0415 - as above

    if code is grpc.StatusCode.UNAVAILABLE:
        return ConnectionRefusedError()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TimeoutError()
    if code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}:
        return HttpStatus(401)
    return ConfigurationError(f"it answered ListTools with {code.name}: check its logs")
