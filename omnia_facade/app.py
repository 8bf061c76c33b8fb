"""The facade program: composed from its environment, served until SIGTERM or SIGINT."""

import asyncio
import contextlib
import importlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import MediaStorageType
from omnia_core.http.hosts import HostRule, is_loopback
from omnia_core.http.received import ReceiveBudget
from omnia_core.names import Door, Handler, Mode
from omnia_core.telemetry.program import log_start, program_registry
from omnia_core.telemetry.tracing.configuration import configure_tracing
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.mounted import MountedValidator
from omnia_facade.backend.own_sessions import SessionDirectory
from omnia_facade.backend.port import Backend
from omnia_facade.cancellation import TurnCancel
from omnia_facade.console.description import AgentDescription, description_of
from omnia_facade.console.inside import AgentParts
from omnia_facade.context import ProcessContext
from omnia_facade.conversations import open_backend, open_own_sessions, websocket_upgrade
from omnia_facade.doors.registry import served_doors
from omnia_facade.entrance.capacity import Capacity
from omnia_facade.entrance.http_side import HttpProtocolFactory, HttpSide
from omnia_facade.entrance.router import (
    ConnectionRouter,
    EntranceContext,
    HeadRoute,
    StaticFrontPage,
    close_port,
)
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.own_sessions import OwnSessionsList, serves_session
from omnia_facade.past import PastTurns
from omnia_facade.ports import listen, readiness, serve_health
from omnia_facade.rollout.files import RolloutFiles
from omnia_facade.rollout.peer_door import PeerConnection, PeerDoorContext
from omnia_facade.runtime_client.opening import open_client
from omnia_facade.timings import USUAL, Timings
from omnia_facade.tracing import FacadeTracing
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.inbound_limits import ConnectionLimits

if TYPE_CHECKING:
    from omnia_facade.http.opening import HttpService
    from omnia_facade.media.opening import MediaService

# Time for the last spans to reach the collector.
TRACE_SECONDS = 2.0

_log = structlog.get_logger()


class FacadeServer:
    """The program.

    Attributes:
        serving: set when both ports are open.
    """

    def __init__(self, env: FacadeEnv, timings: Timings = USUAL) -> None:
        self.serving = asyncio.Event()
        self._env = env
        self._timings = timings

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then drain.

        Raises:
            ConfigurationError: the environment or a mounted file has to change.
        """
        env = self._env
        log_start("facade", mode=str(env.mode), handler=str(env.handler_mode))
        async with contextlib.AsyncExitStack() as stack:
            registry = program_registry("facade")
            rollout = RolloutFiles(env.rollout_path, env.variant)
            context = _open_context(env, self._timings, registry, stack, rollout)
            authenticator = Authenticator(
                (
                    MountedValidator(
                        env.auth_path, env.auth_secrets_path, resource=mcp_resource(env)
                    ),
                ),
                allow_unauthenticated=env.allow_unauthenticated,
                placed_by=lambda: rollout.header,
            )
            backend = open_backend(context) if env.mode is Mode.AGENT else None
            sessions = open_own_sessions(context)
            media = await _open_media(context, backend)
            # With a credential, a page of another name has nothing to send.
            public = env.allow_unauthenticated
            hosts = HostRule(env.bind_address if public else None, env.allowed_origins)
            budget = ReceiveBudget()
            local = is_loopback(env.bind_address or "")
            head_routes = tuple(_head_routes(context, backend, sessions, local=local))
            http = _HttpServer(
                partial(
                    _open_http,
                    context,
                    authenticator,
                    backend,
                    sessions,
                    media,
                    head_routes,
                    hosts,
                    budget,
                )
            )
            side = await http.side(env, sessions)
            grpc = http.grpc_side(side) if side and serves_grpc(env) else None
            connections = Connections(
                context.metrics, env.handler_mode, context.timings, ConnectionLimits.of(env)
            )
            entrance = EntranceContext(
                authenticator=authenticator,
                capacity=Capacity(env.max_connections, env.max_connections_per_user),
                rejected=context.metrics.rejected,
                upgrade=(
                    websocket_upgrade(context, connections, backend, media) if backend else None
                ),
                http=side,
                grpc=grpc,
                head_routes=head_routes,
                front_page=None if serves_http(env) else _front_page(env),
                allowed_origins=tuple(env.allowed_origins),
                timings=context.timings,
                hosts=hosts,
                local=local,
                budget=budget,
            )
            server = await listen(
                env, "facade_port", env.facade_port, partial(ConnectionRouter, entrance)
            )
            stack.push_async_callback(close_port, server, entrance)
            door = await _open_peer_door(context, rollout)
            ready = partial(readiness, entrance.draining, context.client)
            stack.callback(serve_health(env, ready, registry).stop)
            self._announce()
            await stop.wait()
            entrance.draining.set()
            await self._drain(server, connections, http, door)

    def _announce(self) -> None:
        env = self._env
        self.serving.set()
        # Only this machine can reach a port of the loopback address.
        if env.allow_unauthenticated and not is_loopback(env.bind_address or ""):
            _log.warning("requests need no credential; this is for development only")
        _log.info("serving", port=env.facade_port)

    async def _drain(
        self,
        server: asyncio.Server,
        connections: Connections,
        http: "_HttpServer",
        door: PeerDoorContext | None,
    ) -> None:
        """Wait for running turns and calls; new upgrades are answered with 503 meanwhile."""
        seconds = self._env.drain_timeout.seconds
        _log.info("draining", seconds=seconds)
        if self._env.mode is Mode.FUNCTION:
            server.close()
        drains = [connections.drain(seconds)]
        if http.opened:
            drains.append(http.opened.drain(seconds))
        if door:
            drains.append(door.drain(seconds))
        await asyncio.gather(*drains)


async def run(env: FacadeEnv) -> None:
    """Serve until SIGTERM or SIGINT. A second signal exits without draining."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    serving = loop.create_task(FacadeServer(env).serve(stop))

    def on_signal() -> None:
        if stop.is_set():
            _log.warning("second signal: exiting without draining")
            serving.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()


def mcp_resource(env: FacadeEnv) -> str:
    """Return the address of the MCP server, for which its clients get tokens; "" if unknown."""
    base = env.public_url or env.media_public_url
    return f"{base.rstrip('/')}/mcp" if base and Door.MCP in env.doors else ""


def _head_routes(
    context: ProcessContext,
    backend: Backend | None,
    sessions: SessionDirectory | None,
    *,
    local: bool,
) -> Iterator[HeadRoute]:
    env, client = context.env, context.client
    origins = tuple(env.allowed_origins)
    if env.console:
        known = backend.capabilities if backend else None
        parts = AgentParts(client, inside=env.console_inside) if client else None
        yield AgentDescription(description_of(env), origins, local, known, parts, env.trial)
    if backend is not None:
        yield TurnCancel(backend, origins, local=local)
        yield PastTurns(backend, origins, local=local, inside=env.console_inside)
    if sessions is not None:
        yield OwnSessionsList(sessions, origins, local=local)


def serves_http(env: FacadeEnv) -> bool:
    """Whether a facade has HTTP routes besides conversations."""
    return env.mode is Mode.FUNCTION or env.media_storage_type is not MediaStorageType.NONE


def serves_grpc(env: FacadeEnv) -> bool:
    """Whether a facade has gRPC services."""
    return env.a2a_grpc and any(door.name == Door.A2A for door in served_doors(env))


def _open_context(
    env: FacadeEnv,
    timings: Timings,
    registry: CollectorRegistry,
    stack: contextlib.AsyncExitStack,
    rollout: RolloutFiles,
) -> ProcessContext:
    metrics = FacadeMetrics(registry, agent=env.agent_name, namespace=env.namespace)
    metrics.unauthenticated.set(env.allow_unauthenticated)
    metrics.session_store("runtime" if env.handler_mode is Handler.RUNTIME else "pod")
    tracer = configure_tracing(env, registry)
    if tracer.enabled:
        stack.push_async_callback(asyncio.to_thread, tracer.close, TRACE_SECONDS)
    client = open_client(
        env, timings.ready, rollout, lambda reason: metrics.stepped_in[reason].inc()
    )
    if client:
        stack.push_async_callback(client.close)
    return ProcessContext(env, client, metrics, FacadeTracing(tracer, env), timings, stack)


async def _open_peer_door(context: ProcessContext, rollout: RolloutFiles) -> PeerDoorContext | None:
    """Let the facades of the other side in, where they relay sessions to this pod.

    It stays open while the pod drains: the turns that other pods relay end first.
    """
    env, metrics = context.env, context.metrics
    if env.peer_port is None:
        return None
    host, _, port = env.runtime_address.rpartition(":")
    door = PeerDoorContext(
        token=lambda: rollout.token,
        runtime=(host.strip("[]"), int(port)),
        refused=lambda reason: metrics.peers_refused[reason].inc(),
    )
    server = await listen(env, "peer_port", env.peer_port, partial(PeerConnection, door))
    context.stack.callback(server.close)
    return door


# Imports below are local: a pod pays with memory for what it imports.


async def _open_media(context: ProcessContext, backend: Backend | None) -> "MediaService | None":
    if context.env.media_storage_type is MediaStorageType.NONE:
        return None
    from omnia_facade.media.opening import open_media  # noqa: PLC0415 - as above

    return await open_media(context, backend.probe if backend else None)


async def _open_http(
    context: ProcessContext,
    authenticator: Authenticator,
    backend: Backend | None,
    sessions: SessionDirectory | None,
    media: "MediaService | None",
    head_routes: tuple[HeadRoute, ...],
    hosts: HostRule,
    budget: ReceiveBudget,
) -> "HttpService":
    """Open the HTTP server. It is imported in a thread: it takes up to half a second."""
    opening = await asyncio.to_thread(importlib.import_module, "omnia_facade.http.opening")
    service: HttpService = await opening.open_http(
        context, authenticator, backend, sessions, media, head_routes, hosts=hosts, budget=budget
    )
    return service


class _HttpServer:
    """The HTTP server of the program, if it is open.

    Attributes:
        opened: None before.
    """

    def __init__(self, open_service: Callable[[], Awaitable["HttpService"]]) -> None:
        self.opened: HttpService | None = None
        self._open_service = open_service

    async def side(self, env: FacadeEnv, sessions: SessionDirectory | None) -> HttpSide | None:
        """Return what the entrance needs: open if there are routes that no request opens."""
        if serves_http(env):
            side = HttpSide(self._open)
            await side.open()
            return side
        doors = served_doors(env)
        if not doors and sessions is None:
            return None
        return HttpSide(
            self._open,
            lambda path: (
                any(door.serves(path) for door in doors)
                or (sessions is not None and serves_session(path))
            ),
        )

    def grpc_side(self, side: HttpSide) -> HttpSide:
        """Return what the entrance needs for gRPC: the doors are those of the HTTP server."""

        async def open_grpc() -> HttpProtocolFactory:
            await side.open()
            if self.opened is None:
                raise RuntimeError("the HTTP server is not open")
            return await self.opened.open_grpc()

        return HttpSide(open_grpc)

    async def _open(self) -> HttpProtocolFactory:
        self.opened = await self._open_service()
        return self.opened.factory


def _front_page(env: FacadeEnv) -> StaticFrontPage | None:
    if not env.console:
        return None
    from omnia_facade.console.page import console_front_page  # noqa: PLC0415 - as above

    return console_front_page(env.mode, env.agent_name)
