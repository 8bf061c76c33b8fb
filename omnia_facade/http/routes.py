"""What a facade serves over HTTP, as its environment says."""

from collections.abc import Iterator

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.reading import decode_json, read_text
from omnia_core.names import Mode
from omnia_facade.http.route import Route
from omnia_facade.metrics import Metrics
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.tracing import FacadeTracing


def routes(
    env: FacadeEnv, client: RuntimeClient | None, metrics: Metrics, tracing: FacadeTracing
) -> Iterator[Route]:
    """Yield the routes.

    Raises:
        ConfigurationError: a route cannot be served as the environment says.
    """
    if env.mode is Mode.FUNCTION:
        yield _function(env, client, metrics, tracing)


def _function(
    env: FacadeEnv, client: RuntimeClient | None, metrics: Metrics, tracing: FacadeTracing
) -> Route:
    # Imported here, as each kind of route is: memory is counted per pod.
    from omnia_facade.functions.function import Function  # noqa: PLC0415 - as above
    from omnia_facade.http.functions import FunctionRoute  # noqa: PLC0415 - as above

    if client is None:
        raise ConfigurationError("function mode needs the handler mode runtime")
    file = decode_json(read_text(env.function_path), FunctionFile, env.function_path)
    return FunctionRoute(Function(file, client), metrics, tracing)
