"""What a facade serves over HTTP, as its environment says."""

import contextlib
from collections.abc import Iterator

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.reading import decode_json, read_text
from omnia_core.names import Mode
from omnia_facade.http.route import Route
from omnia_facade.metrics import Metrics
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.timings import Timings
from omnia_facade.tracing import FacadeTracing


def routes(
    env: FacadeEnv,
    client: RuntimeClient | None,
    metrics: Metrics,
    tracing: FacadeTracing,
    timings: Timings,
    stack: contextlib.AsyncExitStack,
) -> Iterator[Route]:
    """Yield the routes; `stack` closes what they hold.

    Raises:
        ConfigurationError: a route cannot be served as the environment says.
    """
    if env.mode is Mode.FUNCTION:
        yield from _function(env, client, metrics, tracing, timings, stack)
    if env.console:
        # Imported here, as each kind of route is: memory is counted per pod.
        from omnia_facade.console.page import console_page  # noqa: PLC0415 - as above
        from omnia_facade.http.console import ConsoleRoute  # noqa: PLC0415 - as above

        yield ConsoleRoute(console_page(env.mode, env.agent_name))


def _function(
    env: FacadeEnv,
    client: RuntimeClient | None,
    metrics: Metrics,
    tracing: FacadeTracing,
    timings: Timings,
    stack: contextlib.AsyncExitStack,
) -> Iterator[Route]:
    # Imported here, as each kind of route is: memory is counted per pod.
    from omnia_facade.functions.function import Function  # noqa: PLC0415 - as above
    from omnia_facade.functions.openapi import document  # noqa: PLC0415 - as above
    from omnia_facade.http.functions import FunctionRoute  # noqa: PLC0415 - as above
    from omnia_facade.http.openapi import OpenApiRoute  # noqa: PLC0415 - as above
    from omnia_facade.http.statuses import HEADERS, STATUS  # noqa: PLC0415 - as above
    from omnia_facade.idempotency.once import KEPT_SECONDS, Once  # noqa: PLC0415 - as above
    from omnia_facade.idempotency.opening import reply_store  # noqa: PLC0415 - as above

    if client is None:
        raise ConfigurationError("function mode needs the handler mode runtime")
    file = decode_json(read_text(env.function_path), FunctionFile, env.function_path)
    store = reply_store(env)
    stack.push_async_callback(store.close)
    yield FunctionRoute(
        Function(file, client),
        # Nothing that was said is kept longer than sessions are.
        Once(store, min(KEPT_SECONDS, env.session_ttl.seconds)),
        metrics,
        tracing,
        timings,
        call_seconds=env.turn_timeout.seconds,
        max_calls=env.max_calls,
    )
    yield OpenApiRoute(document(file, STATUS, HEADERS, public=env.allow_unauthenticated))
