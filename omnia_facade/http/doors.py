"""The route of a door: everything of HTTP that all doors share, and the streams of their runs."""

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import cast

import structlog
from aiohttp import web

from omnia_core.http.connection import admit
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead, joined_headers
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.backend.events import Failed
from omnia_facade.doors import sse
from omnia_facade.doors.cors import OriginRule
from omnia_facade.doors.errors import DoorFailed, failure_of, failure_of_http
from omnia_facade.doors.exchange import Door, Elsewhere, Exchange, Kernel
from omnia_facade.doors.port import (
    COMMIT_SECONDS,
    DoorRequest,
    EventStream,
    Reply,
)
from omnia_facade.doors.registry import DoorEntry
from omnia_facade.entrance.admission import authenticated
from omnia_facade.entrance.errors import RejectedRequest, shutting_down
from omnia_facade.http.body import read_body
from omnia_facade.http.event_stream import StreamReader
from omnia_facade.http.forward import Forwarder

MAX_BODY_BYTES = 16 * 1024 * 1024
SESSION_HEADER = "Omnia-Session-Id"
RUN_HEADER = "Omnia-Run-Id"

_log = structlog.get_logger()


class DoorRoute:
    """Serves one door. Its module is imported, in a thread, by its first request."""

    # It authenticates by itself: a preflight has no credential, and a door has its own errors.
    public = True

    def __init__(
        self,
        entry: DoorEntry,
        kernel: Kernel,
        authenticator: Authenticator,
        origins: OriginRule,
        forwarder: Forwarder,
    ) -> None:
        self._entry = entry
        self._kernel = kernel
        self._authenticator = authenticator
        self._origins = origins
        self._forwarder = forwarder
        self._bodies = kernel.bodies
        self._metrics = kernel.context.metrics.doors
        self._door: Door | None = None
        self._opening = asyncio.Lock()

    @property
    def hint(self) -> str:
        return self._entry.hint

    def serves(self, path: str) -> bool:
        return self._entry.serves(path)

    async def answer(
        self,
        request: web.BaseRequest,
        caller: Principal,  # noqa: ARG002 - the port's
    ) -> web.StreamResponse:
        status = 500
        try:
            response = await self._answer(request)
            status = response.status
        finally:
            self._metrics.answered(self._entry.name, success=status < 400)  # noqa: PLR2004 - HTTP
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = joined_headers((name.lower(), value) for name, value in request.headers.items())
        head = RequestHead(request.method, request.path, request.query_string, headers)
        door = await self.door()
        known = DoorRequest(
            method=head.method, path=head.path, query=dict(request.query), headers=headers
        )
        exchange = Exchange(self._kernel, self._entry.name, known)
        with contextlib.ExitStack() as held:
            return await self._answer_known(request, head, door, exchange, held)

    async def _answer_known(
        self,
        request: web.BaseRequest,
        head: RequestHead,
        door: Door,
        exchange: Exchange,
        held: contextlib.ExitStack,
    ) -> web.StreamResponse:
        try:
            if refused := self._origins.refusal(head):
                raise refused
            if (preflight := self._origins.preflight(head)) is not None:
                return web.Response(status=204, headers=preflight)
            exchange.request = await self._admitted(request, exchange.request, held)
            answer = await door.answer(exchange)
            if isinstance(answer, EventStream):
                return await self._stream(request, exchange, answer, head)
            reply = answer
        except asyncio.CancelledError:
            exchange.abandon()
            raise
        except Elsewhere as elsewhere:
            return await self._forwarder.forward(request, exchange.request.body, elsewhere.owner)
        except (DoorFailed, HttpError) as error:
            if isinstance(error, RejectedRequest):
                self._kernel.context.metrics.rejected(error.reason)
            failed = error if isinstance(error, DoorFailed) else failure_of_http(error)
            refusal = door.refusal(failed, exchange.request)
            reply = Reply(
                status=refusal.status,
                body=refusal.body,
                headers={**failed.headers, **refusal.headers},
            )
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers={**reply.headers, **self._headers(exchange, head)},
        )

    async def door(self) -> Door:
        """Return the door; the first call imports its module."""
        if self._door is not None:
            return self._door
        async with self._opening:
            if self._door is None:
                module = await asyncio.to_thread(importlib.import_module, self._entry.module)
                open_door = cast("Callable[[Kernel], Door]", module.open_door)
                self._door = open_door(self._kernel)
        return self._door

    async def _admitted(
        self, request: web.BaseRequest, known: DoorRequest, held: contextlib.ExitStack
    ) -> DoorRequest:
        if self._kernel.runs.draining:
            raise shutting_down()
        caller = ANONYMOUS
        if known.path not in self._entry.public:
            caller = await authenticated(self._authenticator, known.headers)
        held.enter_context(self._bodies.hold(request.content_length))
        admit(request)
        seconds = self._kernel.context.timings.body
        body = await read_body(request, limit=MAX_BODY_BYTES, seconds=seconds)
        return DoorRequest(
            method=known.method,
            path=known.path,
            query=known.query,
            headers=known.headers,
            body=body,
            caller=caller,
        )

    async def _stream(
        self, request: web.BaseRequest, exchange: Exchange, stream: EventStream, head: RequestHead
    ) -> web.StreamResponse:
        run = stream.run
        await run.began(COMMIT_SECONDS)
        if stream.refuses and isinstance(run.outcome, Failed) and not run.begun:
            raise failure_of(run.outcome, begun=False)
        response = web.StreamResponse(
            headers={**sse.HEADERS, **stream.headers, **self._headers(exchange, head)}
        )
        await response.prepare(request)
        await response.write(sse.OPEN)
        heartbeat = self._kernel.env.stream_heartbeat.seconds
        reader = StreamReader(request, stream.frames, heartbeat)
        if not exchange.began(run):
            self._metrics.resumed.inc()
        streams = self._metrics.stream(self._entry.name)
        streams.inc()
        try:
            await run.follow(reader, stream.start, merged=stream.merged)
            await reader.drain()
        finally:
            streams.dec()
            reader.close()
        await response.write_eof()
        return response

    def _headers(self, exchange: Exchange, head: RequestHead) -> Mapping[str, str]:
        headers = self._origins.headers(head)
        if exchange.run:
            if exchange.run.session_id:
                headers[SESSION_HEADER] = exchange.run.session_id
            headers[RUN_HEADER] = exchange.run.id
        return headers
