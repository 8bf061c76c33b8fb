"""Opens the HTTP server with the routes that the environment asks for."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.reading import decode_json, read_text
from omnia_core.http.hosts import HostRule
from omnia_core.http.received import ReceiveBudget
from omnia_core.names import Mode
from omnia_facade.auth.chain import Authenticator
from omnia_facade.context import ProcessContext
from omnia_facade.entrance.router import HeadRoute
from omnia_facade.http.server import HttpRoute, HttpServer
from omnia_facade.http.static import StaticRoute
from omnia_facade.media.opening import MediaService

if TYPE_CHECKING:
    from omnia_facade.functions.refused_inputs import RefusedInputs

OPENAPI_PATH = "/openapi.json"


async def open_http(
    context: ProcessContext,
    authenticator: Authenticator,
    media: MediaService | None,
    head_routes: Sequence[HeadRoute],
    *,
    hosts: HostRule,
    budget: ReceiveBudget,
) -> web.ServerRunner:
    """Return the server, ready for connections; it does not listen by itself.

    Raises:
        ConfigurationError: a route cannot be served in this environment.
    """
    routes = [*_routes(context, media, head_routes)]
    server = HttpServer(routes, authenticator, context.metrics.rejected, hosts)
    runner = server.runner(context.env.drain_timeout.seconds, context.timings, budget)
    await runner.setup()
    return runner


def _routes(
    context: ProcessContext, media: MediaService | None, head_routes: Sequence[HeadRoute]
) -> Iterator[HttpRoute]:
    # Imports below are local: a pod pays with memory for what it imports.
    env = context.env
    if env.mode is Mode.FUNCTION:
        yield from _function_routes(context)
    if env.console:
        from omnia_facade.console.page import PATH, console_page  # noqa: PLC0415 - as above

        page = console_page(env.mode, env.agent_name)
        hint = f"open {PATH} in a browser"
        # The page reveals only the name of the agent.
        yield StaticRoute(PATH, page.body, page.headers, hint=hint, public=True)
    if media:
        from omnia_facade.http.media import MediaRoute  # noqa: PLC0415 - as above

        yield MediaRoute(media, context.metrics.media, context.timings)
    if head_routes:
        from omnia_facade.http.heads import HeadHttpRoute  # noqa: PLC0415 - as above

        yield from map(HeadHttpRoute, head_routes)


def _function_routes(context: ProcessContext) -> Iterator[HttpRoute]:
    from omnia_facade.functions.function import Function  # noqa: PLC0415 - as above
    from omnia_facade.functions.openapi import openapi_document  # noqa: PLC0415 - as above
    from omnia_facade.http.functions import FunctionRoute  # noqa: PLC0415 - as above
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
    yield FunctionRoute(Function(file, context.client, idempotency, refused), context)
    yield StaticRoute(
        OPENAPI_PATH,
        orjson.dumps(openapi_document(file, public=env.allow_unauthenticated)),
        {"Content-Type": "application/json"},
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
