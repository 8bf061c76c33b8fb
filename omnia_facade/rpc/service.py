"""The A2A service: what happens between a gRPC call and its run."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead, joined_headers
from omnia_core.http.hosts import HostRule
from omnia_facade.auth.chain import Authenticator
from omnia_facade.doors.a2a import grpc
from omnia_facade.doors.a2a.door import A2aDoor, error_of
from omnia_facade.doors.a2a.errors import A2aError
from omnia_facade.doors.a2a.operations import Operation
from omnia_facade.doors.a2a.service import DOOR
from omnia_facade.doors.cors import OriginRule
from omnia_facade.doors.errors import REQUEST_TIMEOUT, DoorFailed, failure_of_http
from omnia_facade.doors.exchange import Elsewhere, Exchange, Kernel
from omnia_facade.doors.port import DoorRequest
from omnia_facade.entrance.admission import authenticated, misdirected
from omnia_facade.entrance.errors import RejectedRequest, shutting_down
from omnia_facade.rpc.forward import forward
from omnia_facade.rpc.reader import CallReader
from omnia_rpc.headers import RpcFailed, StatusCode
from omnia_rpc.server import Handler, ServerCall

# As the body of a request over HTTP.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class A2aCalls:
    """Handles the calls of the service, by the same door as requests over HTTP."""

    def __init__(
        self,
        kernel: Kernel,
        open_door: Callable[[], Awaitable[A2aDoor]],
        authenticator: Authenticator,
        origins: OriginRule,
        hosts: HostRule,
    ) -> None:
        self._kernel = kernel
        self._open_door = open_door
        self._authenticator = authenticator
        self._origins = origins
        self._hosts = hosts
        self._metrics = kernel.context.metrics.doors

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by path."""
        return {
            path: partial(self._handle, path, operation) for path, operation in grpc.PATHS.items()
        }

    async def _handle(self, path: str, operation: Operation, call: ServerCall) -> None:
        success = False
        try:
            await self._answer(path, operation, call)
            success = True
        except A2aError as error:
            raise grpc.failure(error) from error
        except (DoorFailed, HttpError) as error:
            if isinstance(error, RejectedRequest):
                self._kernel.context.metrics.rejected(error.reason)
            failed = error if isinstance(error, DoorFailed) else failure_of_http(error)
            raise grpc.failure(error_of(failed), failed.meaning.status) from error
        finally:
            self._metrics.answered(DOOR, success=success)

    async def _answer(self, path: str, operation: Operation, call: ServerCall) -> None:
        request = await self._admitted(path, call)
        door = await self._open_door()
        size = await _announced(call, self._kernel.context.timings.body)
        with self._kernel.bodies.hold(size):
            call.accept()
            message = await _received(call, self._kernel.context.timings.body)
            door.require_v10(request, "gRPC")
            exchange = Exchange(self._kernel, DOOR, request)
            try:
                await self._operate(door, exchange, operation, call, message)
            except asyncio.CancelledError:
                exchange.abandon()
                raise
            except Elsewhere as elsewhere:
                await forward(call, path, message, elsewhere.owner, MAX_MESSAGE_BYTES)

    async def _admitted(self, path: str, call: ServerCall) -> DoorRequest:
        fields = dict(call.fields)
        if not self._hosts.allows(fields.get(":authority", "")):
            raise misdirected()
        headers = joined_headers(field for field in call.fields if field[0][:1] != ":")
        if refused := self._origins.refusal(RequestHead("POST", path, "", headers)):
            raise refused
        if self._kernel.runs.draining:
            raise shutting_down()
        caller = await authenticated(self._authenticator, headers)
        return DoorRequest(method="POST", path=path, headers=headers, caller=caller)

    async def _operate(
        self,
        door: A2aDoor,
        exchange: Exchange,
        operation: Operation,
        call: ServerCall,
        message: bytes,
    ) -> None:
        asked = grpc.read_call(operation, message)
        if not operation.streams:
            result = await door.result(exchange, asked)
            call.answer_metadata = _metadata(exchange)
            await call.write(grpc.result_message(operation, result))
            return
        run, frames = await door.frames(exchange, asked, grpc.GrpcWriter())
        position = run.position
        call.answer_metadata = _metadata(exchange)
        if not exchange.began(run):
            self._metrics.resumed.inc()
        streams = self._metrics.stream(DOOR)
        streams.inc()
        try:
            reader = CallReader(call, frames, self._kernel.env.write_timeout.seconds)
            await run.follow(reader, position)
            await reader.drain()
        finally:
            streams.dec()


def _metadata(exchange: Exchange) -> list[tuple[str, str]]:
    run = exchange.run
    if run is None:
        return []
    return [("omnia-session-id", run.session_id), ("omnia-run-id", run.id)]


async def _announced(call: ServerCall, seconds: float) -> int:
    """Return the size of the request's message, in bytes."""
    try:
        async with asyncio.timeout(seconds):
            return await call.first_bytes()
    except TimeoutError:
        raise _incomplete(seconds) from None


async def _received(call: ServerCall, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            message = await call.read()
    except TimeoutError:
        raise _incomplete(seconds) from None
    if message is None:
        raise RpcFailed(StatusCode.INVALID_ARGUMENT, "the call has no message")
    return message


def _incomplete(seconds: float) -> DoorFailed:
    return DoorFailed(REQUEST_TIMEOUT, f"the message was not complete after {seconds:g} s")
