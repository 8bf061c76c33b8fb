"""The two ports of the facade: one for clients, one for the cluster's probes and scrapes."""

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.health import HealthServer, Readiness
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed


async def listen(
    env: FacadeEnv, field: str, port: int, connection: Callable[[], asyncio.Protocol]
) -> asyncio.Server:
    """Listen on the port of a field; `connection` makes the protocol of each connection.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    loop = asyncio.get_running_loop()
    with _port_errors(field, port):
        return await loop.create_server(connection, env.bind_address, port, backlog=1024)


def serve_health(
    env: FacadeEnv, ready: Callable[[], Awaitable[Readiness]], registry: CollectorRegistry
) -> HealthServer:
    """Answer probes and scrapes until the returned server is stopped.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    health = HealthServer(ready, registry)
    with _port_errors("health_port", env.health_port):
        health.start(env.bind_address, env.health_port)
    return health


async def readiness(draining: asyncio.Event, client: RuntimeClient | None) -> Readiness:
    """Return whether new clients can be served: not while draining or with an unhealthy runtime."""
    if draining.is_set():
        return Readiness(ready=False, detail="draining")
    if client is None:
        return Readiness(ready=True)
    try:
        health = await client.health()
    except RuntimeFailed as failed:
        return Readiness(ready=False, detail=f"runtime: {failed.message}")
    return Readiness(health.healthy, "" if health.healthy else f"runtime: {health.status}")


@contextlib.contextmanager
def _port_errors(field: str, port: int) -> Iterator[None]:
    """Turn an OSError into an error that names the variable to change."""
    variable = FacadeEnv.variable(field)
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"port {port} is occupied; choose another with {variable}"
            ) from error
        raise ConfigurationError(f"port {port} ({variable}) cannot be used: {error}") from error
