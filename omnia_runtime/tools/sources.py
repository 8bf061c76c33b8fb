"""The tool handlers of the process, kept over reloads with their connections."""

import asyncio
import weakref
from collections.abc import Callable
from typing import TypeGuard

import structlog
from msgspec import Struct

from omnia_core.files.tools import ToolHandler
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import LiveSource, ToolSource
from omnia_runtime.tools.addresses import public_connector
from omnia_runtime.tools.guarded import GuardedSource
from omnia_runtime.tools.handlers import open_handler, read_handlers
from omnia_runtime.tools.output import OutputCheck

# What a connection has for its end.
CLOSE_SECONDS = 5.0

_log = structlog.get_logger()


class Opened(Struct, frozen=True):
    """The usable handlers in the order of the file, and what is wrong with the others."""

    sources: tuple[ToolSource, ...]
    problems: tuple[str, ...]


class _Held(Struct, frozen=True):
    handler: ToolHandler
    source: GuardedSource


class Sources:
    """The sources of tools.yaml. An unchanged handler keeps its source, whatever else changes.

    A source that the file does not have any more is closed when no configuration and no turn holds
    it: what runs may go on.
    """

    def __init__(
        self, client: HTTPClient, changed: Callable[[], None], *, deny_private: bool = False
    ) -> None:
        """Open nothing yet.

        Args:
            client: for tools over HTTP.
            changed: is called on the event loop when a server has other tools than before; the
                next `open` gives sources whose `specs` are the new ones.
            deny_private: whether servers may be at public addresses only.
        """
        self._own_client = HTTPClient(public_connector) if deny_private else None
        self._client = self._own_client or client
        self._deny_private = deny_private
        self._changed = changed
        self._held: dict[str, _Held] = {}
        self._live: list[LiveSource] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, path: str) -> Opened:
        """Read the file; one that is absent or empty holds no handlers.

        Raises:
            ConfigurationError: the file as a whole cannot be read.
        """
        handlers, problems = read_handlers(path)
        held: dict[str, _Held] = {}
        for handler in handlers:
            try:
                held[handler.name] = self._hold(handler, held)
            except ValueError as error:
                problems.append(f'{path}: tool handler "{handler.name}" is not available: {error}')
        self._held = held
        problems += [
            f'{path}: tool handler "{live.name}": {live.problem}'
            for live in self._current()
            if live.problem
        ]
        return Opened(tuple(each.source for each in held.values()), tuple(problems))

    def broken(self) -> dict[str, bool]:
        """Return for each handler whether its circuit breaker is open; any thread may ask."""
        return {name: each.source.broken for name, each in self._held.items()}

    def start(self) -> None:
        """Begin to ask the servers for their tools; call it on the event loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            for live in self._live:
                self._begin(live)

    async def settled(self, seconds: float) -> None:
        """Wait until every server has answered or failed once, at most so long."""
        waiting = [asyncio.ensure_future(each.settled()) for each in self._current()]
        if not waiting:
            return
        done, late = await asyncio.wait(waiting, timeout=seconds)
        for each in late:
            each.cancel()
        for each in done:
            if not each.cancelled() and each.exception():
                _log.error("a tool handler failed to start", exc_info=each.exception())

    async def close(self) -> None:
        """Let go of every connection."""
        live, self._live, self._held = self._live, [], {}
        self._loop = None
        await asyncio.gather(*self._closing, *(_close(each) for each in live))
        if self._own_client:
            await self._own_client.close()

    def _hold(self, handler: ToolHandler, held: dict[str, _Held]) -> _Held:
        """Return what is held for a handler, or open it.

        Raises:
            ValueError: says what the handler lacks.
        """
        if handler.name in held:
            raise ValueError("another handler has the same name: rename one")
        known = self._held.get(handler.name)
        if known is not None and known.handler == handler:
            return known
        inner = open_handler(handler, self._client, deny_private=self._deny_private)
        check = OutputCheck(handler).check if handler.tool and handler.tool.output_schema else None
        # a person who does not answer makes the client's tool unavailable for nobody else
        source = GuardedSource(inner, check=check, breaks=handler.type != "client")
        if _is_live(inner):
            self._live.append(inner)
            weakref.finalize(source, self._let_go, inner).atexit = False
            if self._loop:
                self._begin(inner)
        return _Held(handler, source)

    def _current(self) -> list[LiveSource]:
        inner = [each.source.inner for each in self._held.values()]
        return [each for each in inner if _is_live(each)]

    def _begin(self, live: LiveSource) -> None:
        try:
            live.start(self._changed)
        except Exception:  # noqa: BLE001 - one broken adapter must not stop the others
            _log.exception("a tool handler failed to start", handler=live.name)

    def _let_go(self, live: LiveSource) -> None:
        """Nobody holds the source any more. Garbage is collected in any thread."""
        if self._loop is None:
            if live in self._live:
                self._live.remove(live)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end, live)

    def _end(self, live: LiveSource) -> None:
        if live in self._live:
            self._live.remove(live)
            task = asyncio.create_task(_close(live))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _is_live(source: ToolSource) -> TypeGuard[LiveSource]:
    return hasattr(source, "settled")


async def _close(live: LiveSource) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await live.close()
    except Exception:  # noqa: BLE001 - the others are to be closed too
        _log.exception("a tool handler failed to close", handler=live.name)
