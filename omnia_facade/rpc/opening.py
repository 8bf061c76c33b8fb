"""Composes the gRPC server, with limits for unauthenticated clients."""

from collections.abc import Awaitable, Callable
from typing import cast

from omnia_core.http.hosts import HostRule
from omnia_facade.auth.chain import Authenticator
from omnia_facade.doors.a2a.door import A2aDoor
from omnia_facade.doors.cors import OriginRule
from omnia_facade.doors.exchange import Door, Kernel
from omnia_facade.rpc.service import MAX_MESSAGE_BYTES, A2aCalls
from omnia_rpc.endpoint import Keepalive
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.server import Server

# Of a connection. A client that needs more streams opens another connection.
LIMITS = PeerLimits(
    streams=100,
    connection_window=1024 * 1024,
    idle_frames=1_000,
    replies=1_000,
    stream_visits=20_000,
    unsent=4 * 1024 * 1024,
)
# Calls of a pod, for each run that may go on: reading and cancelling need some too.
CALLS_PER_RUN = 2


def open_server(
    kernel: Kernel,
    open_door: Callable[[], Awaitable[Door]],
    authenticator: Authenticator,
    origins: OriginRule,
    hosts: HostRule,
) -> Server:
    """Return the server; it does not listen by itself."""

    async def open_a2a() -> A2aDoor:
        return cast("A2aDoor", await open_door())

    env, timings = kernel.env, kernel.context.timings
    calls = A2aCalls(kernel, open_a2a, authenticator, origins, hosts)
    return Server(
        calls.handlers,
        max_message_bytes=MAX_MESSAGE_BYTES,
        limits=LIMITS,
        keepalive=Keepalive(env.stream_heartbeat.seconds, idle=timings.keep_alive),
        max_calls=env.max_runs * CALLS_PER_RUN,
        withhold=True,
    )
