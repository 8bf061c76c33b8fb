"""Opens the HTTP server with the routes that the environment asks for."""

import asyncio
import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import orjson
from aiohttp import web
from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.reading import decode_json, read_text
from omnia_core.http.content import StaticContent
from omnia_core.http.hosts import HostRule, is_loopback
from omnia_core.http.received import ReceiveBudget
from omnia_core.names import Door, Mode
from omnia_facade.auth.chain import Authenticator
from omnia_facade.backend.own_sessions import SessionDirectory
from omnia_facade.backend.port import Backend
from omnia_facade.context import ProcessContext
from omnia_facade.doors.cors import OriginRule
from omnia_facade.doors.exchange import Kernel
from omnia_facade.doors.opening import open_kernel
from omnia_facade.doors.registry import served_doors
from omnia_facade.entrance.http_side import HttpProtocolFactory
from omnia_facade.entrance.router import HeadRoute
from omnia_facade.http.doors import DoorRoute
from omnia_facade.http.forward import Forwarder
from omnia_facade.http.server import HttpRoute, HttpServer
from omnia_facade.http.static import StaticRoute
from omnia_facade.media.opening import MediaService
from omnia_facade.new_sessions import session_ids
from omnia_facade.runs.table import RunTable

if TYPE_CHECKING:
    from omnia_facade.functions.function import Function
    from omnia_facade.functions.refused_inputs import RefusedInputs
    from omnia_rpc.server import Server

OPENAPI_PATH = "/openapi.json"
# Runs are interrupted so long before the connections are closed: their readers get an error.
LAST_WORDS_SECONDS = 1.0


class HttpService(Struct):
    """The server, and the runs of its doors; None where there are no doors.

    Attributes:
        new_grpc: makes the gRPC server of the doors; None where there is none.
        grpc: that server, once it is open.
    """

    runner: web.ServerRunner
    runs: RunTable | None
    new_grpc: "Callable[[], Server] | None" = None
    grpc: "Server | None" = None

    @property
    def factory(self) -> HttpProtocolFactory:
        """Makes the protocol of a connection."""
        server = self.runner.server
        if server is None:
            raise RuntimeError("the HTTP server is not set up")
        return server

    async def open_grpc(self) -> HttpProtocolFactory:
        """Open the gRPC server. It is imported in a thread, as every door.

        Raises:
            RuntimeError: there are no services.
        """
        if self.new_grpc is None:
            raise RuntimeError("no door has a gRPC service")
        await asyncio.to_thread(importlib.import_module, "omnia_facade.rpc.opening")
        self.grpc = self.new_grpc()
        return self.grpc.connected

    async def drain(self, seconds: float) -> None:
        """Wait for requests and runs in progress; runs that do not end in time are interrupted."""
        drains = [self.runner.cleanup()]
        if self.grpc:
            drains.append(self.grpc.stop(seconds))
        if self.runs:
            drains.append(self.runs.drain(max(seconds - LAST_WORDS_SECONDS, seconds / 2)))
        await asyncio.gather(*drains)


async def open_http(
    context: ProcessContext,
    authenticator: Authenticator,
    backend: Backend | None,
    sessions: SessionDirectory | None,
    media: MediaService | None,
    head_routes: Sequence[HeadRoute],
    *,
    hosts: HostRule,
    budget: ReceiveBudget,
) -> HttpService:
    """Return the server, ready for connections; it does not listen by itself.

    Raises:
        ConfigurationError: a route cannot be served in this environment.
    """
    doors = served_doors(context.env)
    function = _open_function(context)
    forwarder = Forwarder()
    context.stack.push_async_callback(forwarder.close)
    kernel = open_kernel(context, backend, function, media, forwarder) if doors else None
    routes = [*_routes(context, function, backend, sessions, media, head_routes)]
    new_grpc: Callable[[], Server] | None = None
    if kernel:
        env = context.env
        origins = OriginRule(env.allowed_origins, local=is_loopback(env.bind_address or ""))
        for entry in doors:
            route = DoorRoute(entry, kernel, authenticator, origins, forwarder)
            routes.append(route)
            if entry.name == Door.A2A and env.a2a_grpc:
                new_grpc = partial(_open_grpc, kernel, route, authenticator, origins, hosts)
    server = HttpServer(routes, authenticator, context.metrics.rejected, hosts)
    runner = server.runner(context.env.drain_timeout.seconds, context.timings, budget)
    await runner.setup()
    return HttpService(runner, kernel.runs if kernel else None, new_grpc)


# Imports below are local: a pod pays with memory for what it imports.


def _open_grpc(
    kernel: Kernel,
    route: DoorRoute,
    authenticator: Authenticator,
    origins: OriginRule,
    hosts: HostRule,
) -> "Server":
    from omnia_facade.rpc.opening import open_server  # noqa: PLC0415 - as above

    return open_server(kernel, route.door, authenticator, origins, hosts)


def _routes(
    context: ProcessContext,
    function: "Function | None",
    backend: Backend | None,
    sessions: SessionDirectory | None,
    media: MediaService | None,
    head_routes: Sequence[HeadRoute],
) -> Iterator[HttpRoute]:
    env = context.env
    if function:
        yield from _function_routes(context, function)
    if env.console:
        from omnia_facade.console.page import PATH, console_page  # noqa: PLC0415 - as above

        page = console_page(env.mode, env.agent_name)
        hint = f"open {PATH} in a browser"
        # The page reveals only the name of the agent.
        yield StaticRoute(PATH, page, hint=hint, public=True)
    if media:
        from omnia_facade.http.media import MediaRoute  # noqa: PLC0415 - as above

        yield MediaRoute(media, context.metrics.media, context.timings)
    if sessions:
        from omnia_facade.http.own_session import OwnSessionRoute  # noqa: PLC0415 - as above

        local = is_loopback(env.bind_address or "")
        origins, seconds = tuple(env.allowed_origins), context.timings.body
        yield OwnSessionRoute(sessions, origins, local=local, body_seconds=seconds)
        if backend:
            from omnia_facade.http.fork import ForkRoute  # noqa: PLC0415 - as above

            new_id = session_ids(media)
            yield ForkRoute(backend, new_id, origins, local=local, body_seconds=seconds)
    if head_routes:
        from omnia_facade.http.heads import HeadHttpRoute  # noqa: PLC0415 - as above

        yield from map(HeadHttpRoute, head_routes)


def _open_function(context: ProcessContext) -> "Function | None":
    if context.env.mode is not Mode.FUNCTION:
        return None
    from omnia_facade.functions.function import Function  # noqa: PLC0415 - as above
    from omnia_facade.idempotency.calls import (  # noqa: PLC0415 - as above
        KEPT_SECONDS,
        IdempotentCalls,
    )
    from omnia_facade.idempotency.opening import open_reply_store  # noqa: PLC0415 - as above

    env = context.env
    if context.client is None:
        raise ConfigurationError("function mode needs the handler mode runtime")
    file = decode_json(read_text(env.function_path), FunctionFile, env.function_path)
    store = open_reply_store(env)
    context.stack.push_async_callback(store.close)
    # A reply is not kept longer than sessions are.
    idempotency = IdempotentCalls(store, min(KEPT_SECONDS, env.session_ttl.seconds))
    refused = _open_refused_inputs(context)
    return Function(file, context.client, idempotency, refused)


def _function_routes(context: ProcessContext, function: "Function") -> Iterator[HttpRoute]:
    from omnia_facade.functions.openapi import openapi_document  # noqa: PLC0415 - as above
    from omnia_facade.http.functions import FunctionRoute  # noqa: PLC0415 - as above

    public = context.env.allow_unauthenticated
    yield FunctionRoute(function, context)
    yield StaticRoute(
        OPENAPI_PATH,
        StaticContent(
            orjson.dumps(openapi_document(function.file, public=public)),
            {"Content-Type": "application/json"},
        ),
        hint=f"read GET {OPENAPI_PATH}",
        public=False,
    )


def _open_refused_inputs(context: ProcessContext) -> "RefusedInputs | None":
    """Return the records of refused inputs; None if the session store keeps no audit records."""
    if not context.env.session_type.keeps_history:
        return None
    from omnia_facade.functions.refused_inputs import RefusedInputs  # noqa: PLC0415 - as above

    refused = RefusedInputs(context.env)
    context.stack.push_async_callback(refused.close)
    return refused
