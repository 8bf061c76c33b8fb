"""The facade's two ports: the one that clients come to, and the one for the cluster."""

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.health import HealthServer, Readiness
from omnia_facade.entrance.context import EntranceContext
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed


async def listen(env: FacadeEnv, door: Callable[[], asyncio.Protocol]) -> asyncio.Server:
    """Let clients connect.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    loop = asyncio.get_running_loop()
    with _port_errors("facade_port", env.facade_port):
        return await loop.create_server(door, env.bind_address, env.facade_port, backlog=1024)


def serve_health(
    env: FacadeEnv, ready: Callable[[], Awaitable[Readiness]], registry: CollectorRegistry
) -> HealthServer:
    """Answer probes and scrapes until the server is stopped.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    health = HealthServer(ready, registry)
    with _port_errors("health_port", env.health_port):
        health.start(env.bind_address, env.health_port)
    return health


async def readiness(house: EntranceContext, client: RuntimeClient | None) -> Readiness:
    """Say whether new clients are welcome: not while draining, nor without a healthy runtime."""
    if house.draining:
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
    """Name the variable that has to change."""
    variable = FacadeEnv.variable(field)
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"port {port} is occupied; choose another with {variable}"
            ) from error
        raise ConfigurationError(f"port {port} ({variable}) cannot be used: {error}") from error
