"""HTTP for MCP: current credentials, bounded answers, no waiting for a server that is gone."""

import functools
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import httpx2

from omnia_runtime.tools.addresses import AddressRefused, is_private
from omnia_runtime.tools.mcp.target import Target
from omnia_runtime.tools.mcp.watch import FIRST_ERROR, LARGEST, TOO_LARGE, Watch

_CONNECT_SECONDS = 10.0
# What the farewell to a server may take.
_END_SECONDS = 1.0
_SESSION = "mcp-session-id"
_STREAM = "text/event-stream"


def http_client(target: Target, watch: Watch, *, posts_matter: bool) -> httpx2.AsyncClient:
    """Return a client.

    Args:
        target: the server.
        watch: is told every status.
        posts_matter: whether a message that the server refuses is the end of the connection.
    """
    inner = httpx2.AsyncHTTPTransport(
        verify=_trust(),
        trust_env=False,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
    )
    return httpx2.AsyncClient(
        auth=_Credentials(target.headers),
        # the limits of calls are those of the messages; a stream may be silent for hours
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
        transport=_Watched(inner, watch, target, posts_matter=posts_matter),
        trust_env=False,
    )


@functools.cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Credentials(httpx2.Auth):
    def __init__(self, headers: Callable[[], Mapping[str, str]]) -> None:
        self._headers = headers

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        request.headers.update(self._headers())
        yield request


class _Watched(httpx2.AsyncBaseTransport):
    def __init__(
        self, inner: httpx2.AsyncBaseTransport, watch: Watch, target: Target, *, posts_matter: bool
    ) -> None:
        self._inner = inner
        self._target = target
        self._watch = watch
        self._posts_matter = posts_matter

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["accept-encoding"] = "identity"
        if request.method == "DELETE":
            request.extensions["timeout"] = httpx2.Timeout(_END_SECONDS).as_dict()
        if self._target.deny_private:
            request.extensions["trace"] = _look_where
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError:
            if request.method == "POST":
                self._watch.ended()
            raise
        status = response.status_code
        if request.method != "DELETE":
            # a server without a stream of its own says so with a status, and is well
            known = request.method == "POST" or status < FIRST_ERROR or self._posts_matter
            if known:
                self._watch.answered(status, in_session=_SESSION in request.headers)
            if request.method == "POST" and self._posts_matter and status >= FIRST_ERROR:
                self._watch.ended()
        # a compressed answer, which was not asked for, could unfold to any size
        response.headers.pop("content-encoding", None)
        if isinstance(response.stream, httpx2.AsyncByteStream) and not _is_stream(response):
            response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _look_where(event: str, seen: Mapping[str, Any]) -> None:
    """Look at the address of a connection that was just made, before anything is sent there."""
    if event != "connection.connect_tcp.complete":
        return
    stream = seen["return_value"]
    if is_private(str(stream.get_extra_info("server_addr")[0])):
        await stream.aclose()
        raise AddressRefused


def _is_stream(response: httpx2.Response) -> bool:
    """Whether an answer is a stream of events, each of which the SDK bounds."""
    return response.headers.get("content-type", "").lower().startswith(_STREAM)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > LARGEST:
                # of this kind: it is one call that fails then, not the connection
                raise httpx2.StreamError(f"its answer {TOO_LARGE}: more than {LARGEST >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
