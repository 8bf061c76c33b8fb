"""The calling end: one connection to a server, made when it is needed and made anew when lost."""

import asyncio
import contextlib
from collections import OrderedDict

from omnia_rpc.client_call import ClientCall
from omnia_rpc.endpoint import Endpoint, Keepalive
from omnia_rpc.http2.connection import Limits
from omnia_rpc.http2.fields import encode
from omnia_rpc.metadata import Metadata, timeout_text, to_fields
from omnia_rpc.status import RpcFailed, StatusCode

CONNECT_SECONDS = 5.0
# Servers of gRPC take more frequent pings for an attack.
KEEPALIVE = Keepalive(330.0)
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
_SLOW = f"no answer within {CONNECT_SECONDS:.0f} s"


class Channel:
    """Calls to one server. A call that is made while there is no way there fails soon."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_message_bytes: int,
        user_agent: str,
        limits: Limits | None = None,
        keepalive: Keepalive = KEEPALIVE,
    ) -> None:
        self._host, self._port = host, port
        self._max_message_bytes = max_message_bytes
        self._limits = limits or Limits()
        self._keepalive = keepalive
        self._common = encode(
            (
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", user_agent),
                ("grpc-accept-encoding", "identity,gzip"),
            )
        )
        self._paths: dict[str, bytes] = {}
        self._endpoint: Endpoint | None = None
        self._old: set[Endpoint] = set()
        self._waiting: OrderedDict[ClientCall, None] = OrderedDict()
        self._connecting: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._not_before = 0.0
        self._refused = ""
        self._closed = False

    def call(self, path: str, metadata: Metadata = (), timeout: float | None = None) -> ClientCall:
        """Begin a call to `/package.Service/Method`; what goes wrong shows at its `read`.

        Raises:
            ValueError: the metadata cannot be sent.
        """
        fields = to_fields(metadata)
        if timeout is not None:
            fields.append(("grpc-timeout", timeout_text(timeout)))
        block = self._path(path) + encode(fields)
        call = ClientCall(self._forget, block, self._max_message_bytes, timeout)
        endpoint = self._usable()
        if endpoint and endpoint.connection.can_open and not self._waiting:
            call.begin(endpoint)
        else:
            self._wait(call)
        return call

    async def unary(
        self, path: str, request: bytes, metadata: Metadata = (), timeout: float | None = None
    ) -> bytes:
        """Make a call of one message each way.

        Raises:
            RpcFailed: there is no answer.
        """
        call = self.call(path, metadata, timeout)
        try:
            with contextlib.suppress(RpcFailed):  # `read` knows better why
                await call.write(request)
            call.end()
            response = await call.read()
            while response is not None and await call.read() is not None:
                pass
        finally:
            call.cancel()
        if response is None:
            raise RpcFailed(StatusCode.INTERNAL, "the call ended without an answer")
        return response

    async def close(self) -> None:
        """End every call and the connection."""
        self._closed = True
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        self._fail_waiting("the channel is closed")
        for endpoint in (self._endpoint, *self._old):
            if endpoint:
                endpoint.close()

    def _forget(self, call: ClientCall) -> None:
        """Let a call that is over wait no longer for its beginning."""
        self._waiting.pop(call, None)

    def _path(self, path: str) -> bytes:
        block = self._paths.get(path)
        if block is None:
            # Pseudo-fields come first.
            block = self._paths[path] = encode(((":path", path),)) + self._common
        return block

    def _usable(self) -> Endpoint | None:
        endpoint = self._endpoint
        if endpoint is None:
            return None
        connection = endpoint.connection
        if connection.failed or not endpoint.usable:
            self._endpoint = None
        elif connection.peer_gone_at is not None or connection.is_used_up:
            # Its calls go on; `_begin_waiting` closes it after the last one.
            self._old = {each for each in self._old if each.usable} | {endpoint}
            self._endpoint = None
        return self._endpoint

    def _wait(self, call: ClientCall) -> None:
        loop = asyncio.get_running_loop()
        if self._closed:
            call.fail(RpcFailed(StatusCode.CANCELLED, "the channel is closed"))
        elif self._endpoint is None and loop.time() < self._not_before:
            call.fail(RpcFailed(StatusCode.UNAVAILABLE, self._refused))
        else:
            self._waiting[call] = None
            if self._endpoint is None and self._connecting is None:
                self._connecting = loop.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, endpoint = await loop.create_connection(
                    lambda: Endpoint(self._limits, self._keepalive), self._host, self._port
                )
        # A name that no resolver takes is a ValueError, a port beyond 65535 an OverflowError.
        except (OSError, ValueError, OverflowError) as error:
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            self._not_before = loop.time() + self._pause
            self._refused = f"{self._host}:{self._port} cannot be reached: {str(error) or _SLOW}"
            self._fail_waiting(self._refused)
            return
        finally:
            self._connecting = None
        self._pause = 0.0
        self._endpoint = endpoint
        endpoint.connection.opened = self._begin_waiting
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        """Begin what waits, on a new connection after a lost one; close old ones without calls."""
        endpoint = self._usable()
        for old in [each for each in self._old if not each.connection.streams]:
            self._old.discard(old)
            asyncio.get_running_loop().call_soon(old.close)
        while self._waiting and endpoint and endpoint.connection.can_open:
            self._waiting.popitem(last=False)[0].begin(endpoint)
        if self._waiting and endpoint is None and self._connecting is None and not self._closed:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            self._waiting.popitem(last=False)[0].fail(RpcFailed(StatusCode.UNAVAILABLE, reason))
