"""Discovers tools by asking their servers."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from typing import TypeAlias
from urllib.parse import urlsplit

from omnia_core.addresses import allowed_address
from omnia_core.connection_failures import shown_address
from omnia_core.env.contract import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.tools import bearer
from omnia_operator.api.meta import SecretKey
from omnia_operator.api.toolauth import Auth, AuthType
from omnia_operator.api.toolconfig import GrpcConfig, OpenApiConfig
from omnia_operator.api.toolhandler import HandlerType, ToolHandler
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.check_threads import CheckThreads
from omnia_operator.discovery import grpc, mcp, openapi
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import sentence
from omnia_operator.discovery.port import (
    Discovery,
    DiscoveryContext,
    FoundTool,
    HandlerTools,
    OnlyTheAgentKnows,
)
from omnia_operator.resolve import located, tool_secret_keys

# The limit in seconds for every server, whatever its handler allows.
LONGEST = 10.0
CONCURRENCY = 8
_PORTS = {"http": 80, "https": 443}

_Tools: TypeAlias = tuple[tuple[FoundTool, ...], tuple[str, ...]]
"""Tools and remarks."""


class ServerDiscovery:
    """Asks each server over the protocol of its handler's type.

    Args:
        egress: how servers are reached.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._checks = CheckThreads()
        self._documents = openapi.Documents(egress)

    async def discover(self, handler: ToolHandler, context: DiscoveryContext) -> HandlerTools:
        limit = min(handler.timeout.seconds, LONGEST)
        server = f'the server of handler "{handler.name}"'
        try:
            handler = located(handler, context.services, context.namespace)
            address = shown_address(endpoint(handler))
            server = f'the {handler.type.value} server "{handler.name}" at {address}'
            if handler.type is HandlerType.OPENAPI and handler.open_api_config:
                return await self._read(handler, handler.open_api_config, context, server, limit)
            async with asyncio.timeout(limit):
                tools, remarks = await _ask(handler, context, limit, self._egress)
        except OnlyTheAgentKnows as error:
            reason = f"{server}: {error.message}"
            return _answer(handler, described(handler), error=reason, status=ToolStatus.UNKNOWN)
        except Exception as error:  # noqa: BLE001 - a fault of one server must not affect others
            reason = sentence(error, server, limit)
            return _answer(handler, described(handler), error=reason, status=ToolStatus.UNAVAILABLE)
        return _answer(handler, tools, remarks=remarks)

    async def _read(
        self,
        handler: ToolHandler,
        config: OpenApiConfig,
        context: DiscoveryContext,
        server: str,
        limit: float,
    ) -> HandlerTools:
        """Read the document of a handler, unless it is the one that was read before."""
        known = context.known.get(handler.name)
        async with self._document(handler, config, context, limit) as text:
            digest = openapi.digest(text, config)
            if known is not None and known.digest == digest:
                return known
            read = partial(openapi.read, text, config)
            try:
                tools, remarks = await self._checks.run(context.namespace, read)
            except Exception as error:  # noqa: BLE001 - as above
                reason = sentence(error, server, limit)
                answer = _answer(handler, (), error=reason, status=ToolStatus.UNAVAILABLE)
                return replace(answer, digest=digest)
        return replace(_answer(handler, tools, remarks=remarks), digest=digest)

    @contextlib.asynccontextmanager
    async def _document(
        self, handler: ToolHandler, config: OpenApiConfig, context: DiscoveryContext, limit: float
    ) -> AsyncIterator[str]:
        own = context.documents.get(handler.name)
        if own is not None:
            if not own.text.strip():
                raise ConfigurationError(f"{own.origin} is missing or empty: add it")
            yield own.text
            return
        headers = authorization(handler, context)
        authority = context.authorities.get(handler.name)
        async with self._documents.fetched(config, headers, limit, authority) as text:
            yield text


async def discover_all(
    discovery: Discovery, handlers: Iterable[ToolHandler], context: DiscoveryContext
) -> tuple[HandlerTools, ...]:
    """Ask several handlers concurrently; the answers have the order of the handlers."""
    limit = asyncio.Semaphore(CONCURRENCY)

    async def ask(handler: ToolHandler) -> HandlerTools:
        async with limit:
            return await discovery.discover(handler, context)

    return tuple(await asyncio.gather(*(ask(handler) for handler in handlers)))


def endpoint(handler: ToolHandler) -> str:
    """Return the address of a handler's tools as a URL."""
    address = handler.address or ""
    match handler.type:
        case HandlerType.CLIENT:
            return "client://browser"
        case HandlerType.GRPC if address and "://" not in address:
            return f"grpc://{address}"
        case HandlerType.OPENAPI if handler.open_api_config and not address:
            reference = handler.open_api_config.spec_config_map_ref
            return f"configmap://{reference.name}/{reference.key}" if reference else ""
        case HandlerType.MCP if address and "://" not in address:
            return f"stdio://{address}"
        case _:
            return address


def described(handler: ToolHandler) -> tuple[FoundTool, ...]:
    """Return the tool that a handler itself describes."""
    tool = handler.tool
    if tool is None:
        return ()
    return (
        FoundTool(
            tool.name, tool.description, endpoint(handler), tool.input_schema, tool.output_schema
        ),
    )


def authorization(handler: ToolHandler, context: DiscoveryContext) -> dict[str, str]:
    """Return the header with the credential; empty when the server needs none.

    Raises:
        OnlyTheAgentKnows: the credential is the identity of the agent's pod.
        ConfigurationError: the Secret is missing, or its value does not fit into a header.
    """
    auth = handler.auth or Auth()
    if auth.type is AuthType.NONE:
        return {}
    if auth.secret_ref is None:
        raise OnlyTheAgentKnows(
            f"auth {auth.type.value} is the identity of the agent's pod, so only the pod can ask it"
        )
    value = _header_value(auth.secret_ref, context.credentials.get(handler.name))
    if auth.type is AuthType.BASIC:
        return {"authorization": f"Basic {base64.b64encode(value.encode()).decode()}"}
    return {"authorization": bearer(value)}


def secret_headers(handler: ToolHandler, context: DiscoveryContext) -> dict[str, str]:
    """Return the headers of an MCP handler whose values are in Secrets.

    Raises:
        ConfigurationError: a Secret is missing, or its value does not fit into a header.
    """
    return {
        key.name.lower(): _header_value(key.reference, context.credentials.get(key.file))
        for key in tool_secret_keys(handler)
        if key.use == "header"
    }


def _header_value(reference: SecretKey, secret: SecretStr | None) -> str:
    # A value that was made with `echo` ends with a line break.
    value = secret.reveal().strip() if secret else ""
    name = f'the key "{reference.key}" of the Secret "{reference.name}"'
    if not value:
        raise ConfigurationError(f"{name} is missing or empty: add it")
    if not (value.isascii() and value.isprintable()):
        raise ConfigurationError(
            f"{name} does not fit into a header: use printable ASCII characters only"
        )
    return value


async def connect(url: str, egress: Egress) -> None:
    """Open and close a connection.

    Raises:
        OnlyTheAgentKnows: the operator reaches the server by a proxy only.
        AddressRefused: the server's address is refused.
        OSError: the server does not accept it.
    """
    if await egress.proxy(url) is not None:
        raise OnlyTheAgentKnows(
            "the operator has a proxy for this address, and a probe would reach the proxy only"
        )
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 80)
    address = await allowed_address(parts.hostname or "", port, egress.refuses)
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _ask(
    handler: ToolHandler, context: DiscoveryContext, limit: float, egress: Egress
) -> _Tools:
    match handler.type:
        case HandlerType.CLIENT:
            return described(handler), ()
        case HandlerType.HTTP:
            await _probe(handler, context, egress)
            return described(handler), ()
        case HandlerType.GRPC:
            config = handler.grpc_config or GrpcConfig()
            name = handler.tool.name if handler.tool else ""
            await grpc.ask(config, name, authorization(handler, context), limit, egress)
            return described(handler), ()
        case HandlerType.MCP if handler.mcp_config:
            headers = {**secret_headers(handler, context), **authorization(handler, context)}
            authority = context.authorities.get(handler.name)
            return await mcp.ask(handler.mcp_config, headers, limit, egress, authority)
        case _:
            raise ConfigurationError("the config block of its type is missing: add it")


async def _probe(handler: ToolHandler, context: DiscoveryContext, egress: Egress) -> None:
    if context.probe is not None and context.probe.enabled:
        async with asyncio.timeout(context.probe.timeout.seconds):
            await connect(handler.address or "", egress)


def _answer(
    handler: ToolHandler,
    tools: tuple[FoundTool, ...],
    *,
    error: str | None = None,
    status: ToolStatus = ToolStatus.AVAILABLE,
    remarks: tuple[str, ...] = (),
) -> HandlerTools:
    return HandlerTools(
        handler.name, status, tools, shown_address(endpoint(handler)), error, remarks
    )
