"""The transports of the SDK, with current credentials, bounded answers and a watch on their end."""

import contextlib
import functools
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from omnia_core.addresses import AddressRefused, is_private
from omnia_core.authorities import context_with
from omnia_core.mcp_client import ObservedTransport
from omnia_runtime.tools.mcp.lenient import make_readable
from omnia_runtime.tools.mcp.messages import corrected, corrected_event
from omnia_runtime.tools.mcp.server import (
    FIRST_ERROR,
    MAX_MESSAGE_BYTES,
    TOO_LARGE,
    ConnectionState,
    MCPServer,
)
from omnia_runtime.tools.mcp.stdio import program

_CONNECT_SECONDS = 10.0
# The time limit of the DELETE request that ends a session.
_END_SECONDS = 1.0
_SESSION = "mcp-session-id"
_STREAM = "text/event-stream"
_NOT_FOUND, _BAD_REQUEST = 404, 400
# What servers say with the status 400 in place of 404 when they do not know a session.
_UNKNOWN_SESSION = ("session", "not initialized")
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_END = 3


def open_transport(
    server: MCPServer, state: ConnectionState, stack: contextlib.AsyncExitStack
) -> tuple[ObservedTransport, str]:
    """Return the SDK's transport to a server, and the versions of the protocol to use on it.

    What has to be closed after the transport is pushed onto `stack`.
    """
    config = server.config
    if config.transport == "stdio":
        return _observed(program(server, state), state), "auto"
    if config.transport == "sse":

        def client_factory(*_: Any, **__: Any) -> Any:
            return _http_client(server, state, posts_matter=True)

        # SSE has no protocol newer than the one with a handshake.
        sse = sse_client(config.endpoint, httpx_client_factory=client_factory)
        return _observed(sse, state), "legacy"
    client = _http_client(server, state, posts_matter=False)
    stack.push_async_callback(client.aclose)
    streamable = streamable_http_client(
        config.endpoint, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES
    )
    return _observed(streamable, state), "auto"


def _observed(transport: Any, state: ConnectionState) -> ObservedTransport:
    def received(message: object) -> None:
        state.lists.received(message)
        make_readable(message)

    return ObservedTransport(transport, received, state.ended)


def _http_client(
    server: MCPServer, state: ConnectionState, *, posts_matter: bool
) -> httpx2.AsyncClient:
    """Return an HTTP client for a transport of the SDK.

    Args:
        server: to connect to.
        state: updated with every status.
        posts_matter: whether the connection ends when the server refuses a message.
    """
    inner = httpx2.AsyncHTTPTransport(
        verify=context_with(server.authority) or _tls_context(),
        trust_env=False,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
    )
    return httpx2.AsyncClient(
        auth=_CredentialAuth(server.headers),
        # The time limits are those of the messages; a stream may be silent for hours.
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
        transport=_ObservedHTTP(inner, state, server, posts_matter=posts_matter),
        trust_env=False,
    )


@functools.cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _CredentialAuth(httpx2.Auth):
    def __init__(self, headers: Callable[[], Mapping[str, str]]) -> None:
        self._headers = headers

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        request.headers.update(self._headers())
        yield request


class _ObservedHTTP(httpx2.AsyncBaseTransport):
    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        state: ConnectionState,
        server: MCPServer,
        *,
        posts_matter: bool,
    ) -> None:
        self._inner = inner
        self._server = server
        self._state = state
        self._posts_matter = posts_matter

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["accept-encoding"] = "identity"
        if request.method == "DELETE":
            request.extensions["timeout"] = httpx2.Timeout(_END_SECONDS).as_dict()
        if self._server.deny_private:
            request.extensions["trace"] = _check_address
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.ConnectError:
            if request.method == "POST":
                self._state.unreachable()
            raise
        except httpx2.TransportError:
            if request.method == "POST":
                self._state.ended()
            raise
        # A compressed answer, which was not requested, could expand to any size.
        response.headers.pop("content-encoding", None)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            kind = _EventStream if _is_stream(response) else _BoundedStream
            response.stream = kind(response.stream)
            # The corrected message may have another length.
            response.headers.pop("content-length", None)
        await self._observe(request, response)
        return response

    async def _observe(self, request: httpx2.Request, response: httpx2.Response) -> None:
        posted, status = request.method == "POST", response.status_code
        if request.method == "DELETE":
            return
        # A healthy server without a stream of its own answers GET with an error status.
        if posted or status < FIRST_ERROR or self._posts_matter:
            in_session = _SESSION in request.headers or (posted and self._posts_matter)
            lost = in_session and await _session_lost(response)
            self._state.answered(status, session_lost=lost)
        if posted and self._posts_matter and status >= FIRST_ERROR:
            self._state.ended()

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _session_lost(response: httpx2.Response) -> bool:
    """Whether the server answers that it does not know the session, and so has done nothing."""
    if response.status_code != _BAD_REQUEST or _is_stream(response):
        return response.status_code == _NOT_FOUND
    text = (await response.aread()).decode(errors="replace").lower()
    return any(words in text for words in _UNKNOWN_SESSION)


async def _check_address(event: str, info: Mapping[str, Any]) -> None:
    """Check the address of a new connection before anything is sent to it."""
    if event != "connection.connect_tcp.complete":
        return
    stream = info["return_value"]
    if is_private(str(stream.get_extra_info("server_addr")[0])):
        await stream.aclose()
        raise AddressRefused


def _is_stream(response: httpx2.Response) -> bool:
    """Whether a response is a stream of events; the SDK limits the size of each event."""
    return response.headers.get("content-type", "").lower().startswith(_STREAM)


class _EventStream(httpx2.AsyncByteStream):
    """Passes events on, each with its message corrected."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._inner:
            # The end of an event may be cut in the middle.
            searched = max(len(rest) - _LONGEST_END, 0)
            rest += chunk
            start = 0
            for end in _EVENT_END.finditer(rest, searched):
                yield corrected_event(rest[start : end.end()])
                start = end.end()
            rest = rest[start:]
            if len(rest) > MAX_MESSAGE_BYTES:
                # The SDK refuses it by its size.
                yield rest
                rest = b""
        if rest:
            yield rest

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = bytearray()
        async for chunk in self._inner:
            body += chunk
            if len(body) > MAX_MESSAGE_BYTES:
                # With this type of error only the call fails, not the connection.
                raise httpx2.StreamError(
                    f"its answer {TOO_LARGE}: more than {MAX_MESSAGE_BYTES >> 20} MiB"
                )
        yield corrected(bytes(body))

    async def aclose(self) -> None:
        await self._inner.aclose()
