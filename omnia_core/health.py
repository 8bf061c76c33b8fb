"""The HTTP server for `/healthz`, `/readyz` and `/metrics`, which every program has.

A program may have further checks, at `/healthz/NAME`. Probes do not use them: they are about what a
restart cannot mend. Their answer is one line, as Kubernetes' own programs write it for `?verbose`.

It has an event loop of its own, in a thread: it answers while the program's loop is stuck, and a
large scrape does not delay turns. It needs no credential, so everything in it is bounded: the
connections, the time and the bytes of each, and the checks that wait for the program's loop.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, cast

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from omnia_core.http.head import END, RequestHead, parse_head
from omnia_core.http.hosts import MISDIRECTED, HostRule

# An event loop that does not answer for this long is stuck, and the pod has to be restarted.
LOOP_SECONDS = 5.0
READY_SECONDS = 5.0
# From the first byte to the last; Prometheus gives up after 10 s by default.
CONNECTION_SECONDS = 15.0
# A new connection beyond this replaces the oldest, so that a probe is answered in a flood too.
MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 16 * 1024
_STOP_SECONDS = 1.0

SESSION_STORE = "session-store"
"""Name of the check of the runtime that its session store answers."""
BUDGET = "budget"
"""Name of the check of the runtime that the budget of the agent has something left."""
EVAL_BUDGET = "eval-budget"
"""Name of the check that the judges of the agent may cost more today."""

_log = structlog.get_logger()


class Readiness(NamedTuple):
    """Whether the program is ready for traffic, and the reason when it is not."""

    ready: bool
    detail: str = ""


ReadinessCheck = Callable[[], Awaitable[Readiness]]


def check_path(name: str) -> str:
    """Return the path of a further check."""
    return f"/healthz/{name}"


def check_line(name: str, state: Readiness) -> str:
    """Return the answer of a further check."""
    return f"[+]{name} ok" if state.ready else f"[-]{name} failed: {state.detail}"


def failure_in(text: str, name: str) -> str | None:
    """Return why a further check failed, "" if it did not; None if the text is another answer."""
    line = text.strip()
    failed = f"[-]{name} failed: "
    if line == f"[+]{name} ok":
        return ""
    return line.removeprefix(failed) if line.startswith(failed) else None


class Page(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes


class HealthServer:
    """Serves health endpoints in a thread; the checks run on the event loop that starts it."""

    def __init__(
        self,
        ready: ReadinessCheck,
        registry: CollectorRegistry,
        alive: ReadinessCheck | None = None,
        connection_seconds: float = CONNECTION_SECONDS,
        further: Mapping[str, ReadinessCheck] | None = None,
    ) -> None:
        """Take the checks; `further` are those beside readiness and liveness, by name."""
        self._further = further or {}
        self._ready = ready
        self._alive = alive or _alive
        self._registry = registry
        self._connection_seconds = connection_seconds
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, host: str | None, port: int) -> int:
        """Serve until `stop`, and return the port (chosen by the system when `port` is 0).

        Call it on the event loop that the checks run on.

        Raises:
            OSError: the port is in use.
        """
        address = host or "0.0.0.0"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family)
        checks = _Checks(self._ready, self._alive, asyncio.get_running_loop())
        endpoints = _Endpoints(checks, self._registry, HostRule(host), self._further)
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, listening, endpoints), name="health", daemon=True
        )
        self._thread.start()
        return int(listening.getsockname()[1])

    def stop(self) -> None:
        """Stop the server."""
        if self._loop and self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_SECONDS)

    def _run(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, endpoints: "_Endpoints"
    ) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(listening, endpoints))

    async def _serve(self, listening: socket.socket, endpoints: "_Endpoints") -> None:
        connections: dict[_Connection, None] = {}

        def connection() -> _Connection:
            return _Connection(endpoints, connections, self._connection_seconds)

        server = await asyncio.get_running_loop().create_server(connection, sock=listening)
        try:
            await self._stop.wait()
        finally:
            # asyncio loses the socket of a connection that it has accepted if the server is closed
            # before the connection is made, two rounds later.
            asyncio.get_running_loop().remove_reader(listening)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            server.close()
            for each in tuple(connections):
                each.abort()


class _Checks:
    """Runs a check in the program's event loop, once for all requests that wait for it."""

    def __init__(
        self, ready: ReadinessCheck, alive: ReadinessCheck, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._ready = ready
        self._alive = alive
        self._loop = loop
        self._waiting: dict[ReadinessCheck, asyncio.Task[Readiness]] = {}

    async def alive(self) -> Readiness:
        return await self._shared(self._alive, LOOP_SECONDS, "the event loop is stuck")

    async def ready(self) -> Readiness:
        return await self.further(self._ready)

    async def further(self, check: ReadinessCheck) -> Readiness:
        return await self._shared(check, READY_SECONDS, "the check timed out")

    async def _shared(self, check: ReadinessCheck, seconds: float, late: str) -> Readiness:
        task = self._waiting.get(check)
        if task is None or task.done():
            task = asyncio.ensure_future(self._ask(check, seconds, late))
            self._waiting[check] = task
        return await asyncio.shield(task)

    async def _ask(self, check: ReadinessCheck, seconds: float, late: str) -> Readiness:
        async def run() -> Readiness:
            return await check()

        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(
                    asyncio.run_coroutine_threadsafe(run(), self._loop)
                )
        except TimeoutError:
            return Readiness(ready=False, detail=late)
        except Exception:  # noqa: BLE001 - a check asks other programs
            _log.exception("a health check failed")
            return Readiness(ready=False, detail="the check failed; see the log")


class _Endpoints:
    """What is served."""

    def __init__(
        self,
        checks: _Checks,
        registry: CollectorRegistry,
        hosts: HostRule,
        further: Mapping[str, ReadinessCheck],
    ) -> None:
        self._further = {check_path(name): (name, check) for name, check in further.items()}
        self._checks = checks
        self._registry = registry
        self._hosts = hosts

    async def answer(self, head: RequestHead | None) -> Page:
        if head is None:
            return _text(400, "this is not an HTTP/1.1 request")
        if not self._hosts.allows(head.headers.get("host", "")):
            return _text(421, MISDIRECTED)
        if head.method not in ("GET", "HEAD"):
            return _text(405, "use GET")
        match head.path:
            case "/healthz":
                return _state(await self._checks.alive())
            case "/readyz":
                return _state(await self._checks.ready())
            case "/metrics":
                return Page(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
            case path if path in self._further:
                name, check = self._further[path]
                state = await self._checks.further(check)
                return _text(200 if state.ready else 503, check_line(name, state))
            case _:
                return _text(404, "not found: /healthz, /readyz and /metrics are served")


class _Connection(asyncio.Protocol):
    """A connection for one request."""

    def __init__(
        self, endpoints: _Endpoints, connections: "dict[_Connection, None]", seconds: float
    ) -> None:
        """`connections` are the open ones, oldest first."""
        self._endpoints = endpoints
        self._connections = connections
        self._seconds = seconds
        self._received = bytearray()
        self._answer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._connections) >= MAX_CONNECTIONS:
            self._replace_one()
        self._connections[self] = None
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._connections.pop(self, None)
        if self._timer:
            self._timer.cancel()
        if self._answer:
            self._answer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._answer or self._transport is None:
            return
        self._received += data
        end = self._received.find(END)
        if end < 0 and len(self._received) <= MAX_HEAD_BYTES:
            return
        self._transport.pause_reading()
        head = parse_head(bytes(self._received[:end])) if 0 <= end <= MAX_HEAD_BYTES else None
        self._received.clear()
        self._answer = asyncio.ensure_future(self._respond(self._transport, head))

    def abort(self) -> None:
        """Close without sending what is not sent yet."""
        self._connections.pop(self, None)
        if self._transport:
            self._transport.abort()

    def _replace_one(self) -> None:
        waiting = (each for each in self._connections if each._answer is None)  # noqa: SLF001 - its own class
        next(waiting, next(iter(self._connections))).abort()

    async def _respond(self, transport: asyncio.Transport, head: RequestHead | None) -> None:
        page = await self._endpoints.answer(head)
        lines = (
            f"HTTP/1.1 {page.status} {HTTPStatus(page.status).phrase}",
            f"Content-Type: {page.content_type}",
            f"Content-Length: {len(page.body)}",
            "Connection: close",
        )
        transport.write("\r\n".join(lines).encode() + END)
        if head is None or head.method != "HEAD":
            transport.write(page.body)
        transport.close()


async def _alive() -> Readiness:
    return Readiness(ready=True)


def _state(state: Readiness) -> Page:
    return _text(200 if state.ready else 503, state.detail or "ok")


def _text(status: int, text: str) -> Page:
    return Page(status, "text/plain", f"{text}\n".encode())
