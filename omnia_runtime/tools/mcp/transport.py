"""How the messages of one connection travel."""

import contextlib
from typing import Any, Self

from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from omnia_runtime.tools.mcp.http import http_client
from omnia_runtime.tools.mcp.stdio import program
from omnia_runtime.tools.mcp.target import Target
from omnia_runtime.tools.mcp.watch import LARGEST, Watch


def open_transport(
    target: Target, watch: Watch, stack: contextlib.AsyncExitStack
) -> "tuple[_Ending, str]":
    """Return the SDK's transport for a handler, and which versions of the protocol it speaks.

    What has to be closed after the transport goes onto `stack`.
    """
    config = target.config
    if config.transport == "stdio":
        return _Ending(program(config, target.name, watch), watch), "auto"
    if config.transport == "sse":

        def made(*_: Any, **__: Any) -> Any:
            return http_client(target, watch, posts_matter=True)

        # nothing newer than the handshake is spoken over SSE
        return _Ending(sse_client(config.endpoint, httpx_client_factory=made), watch), "legacy"
    http = http_client(target, watch, posts_matter=False)
    stack.push_async_callback(http.aclose)
    new = streamable_http_client(config.endpoint, http_client=http, max_sse_event_size=LARGEST)
    return _Ending(new, watch), "auto"


class _Ending:
    """A transport that tells when nothing more is to be received."""

    def __init__(self, transport: Any, watch: Watch) -> None:
        self._transport = transport
        self._watch = watch

    async def __aenter__(self) -> tuple[Any, Any]:
        received, sent = await self._transport.__aenter__()
        return _Received(received, self._watch), sent

    async def __aexit__(self, *error: object) -> bool | None:
        suppressed: bool | None = await self._transport.__aexit__(*error)
        return suppressed


class _Received:
    def __init__(self, stream: Any, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    @property
    def last_context(self) -> Any:
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._watch.ended()
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> bool | None:
        suppressed: bool | None = await self._stream.__aexit__(*error)
        return suppressed
