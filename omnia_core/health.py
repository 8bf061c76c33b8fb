"""The HTTP server for `/healthz`, `/readyz` and `/metrics`, which every program has.

It runs in a thread on a port of its own, so that a large scrape does not delay turns.
"""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

# An event loop that does not answer for this long is stuck, and the pod has to be restarted.
LOOP_SECONDS = 5.0
READY_SECONDS = 5.0


class Readiness(NamedTuple):
    """Whether the program is ready for traffic, and the reason when it is not."""

    ready: bool
    detail: str = ""


ReadinessCheck = Callable[[], Awaitable[Readiness]]


class HealthServer:
    """Serves health endpoints in a thread; the checks run on the event loop that starts it."""

    def __init__(
        self,
        ready: ReadinessCheck,
        registry: CollectorRegistry,
        alive: ReadinessCheck | None = None,
    ) -> None:
        self._ready = ready
        self._alive = alive or _alive
        self._registry = registry
        self._server: ThreadingHTTPServer | None = None

    def start(self, host: str | None, port: int) -> int:
        """Serve until `stop`, and return the port (chosen by the system when `port` is 0).

        Call it on the event loop that the checks run on.

        Raises:
            OSError: the port is in use.
        """
        loop = asyncio.get_running_loop()
        health = self

        class Handler(_Handler):
            def respond(self) -> tuple[int, str, bytes]:
                return health.respond(self.path, loop)

        self._server = ThreadingHTTPServer((host or "0.0.0.0", port), Handler)
        self._server.daemon_threads = True
        # `stop` waits up to this interval.
        serve = functools.partial(self._server.serve_forever, poll_interval=0.1)
        threading.Thread(target=serve, name="health", daemon=True).start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def respond(self, path: str, loop: asyncio.AbstractEventLoop) -> tuple[int, str, bytes]:
        """Return status, content type and body of a GET; called outside the thread of `loop`."""
        match path.partition("?")[0]:
            case "/healthz":
                alive = _ask(self._alive(), loop, LOOP_SECONDS)
                return _text(alive or Readiness(ready=False, detail="the event loop is stuck"))
            case "/readyz":
                state = _ask(self._ready(), loop, READY_SECONDS)
                return _text(state or Readiness(ready=False, detail="the check timed out"))
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case _:
                return 404, "text/plain", b"not found: /healthz, /readyz and /metrics are served\n"


async def _alive() -> Readiness:
    return Readiness(ready=True)


def _ask(
    check: Awaitable[Readiness], loop: asyncio.AbstractEventLoop, timeout: float
) -> Readiness | None:
    async def run() -> Readiness:
        return await check

    future = asyncio.run_coroutine_threadsafe(run(), loop)
    try:
        return future.result(timeout)
    except FutureTimeoutError:
        future.cancel()
        return None


def _text(state: Readiness) -> tuple[int, str, bytes]:
    return (200 if state.ready else 503), "text/plain", f"{state.detail or 'ok'}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def respond(self) -> tuple[int, str, bytes]:
        raise NotImplementedError

    def do_GET(self) -> None:
        status, content_type, body = self.respond()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        """Log nothing: probes come every few seconds."""
