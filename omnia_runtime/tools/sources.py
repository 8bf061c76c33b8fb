"""The tool handlers of the process, which keep their connections over reloads."""

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard

import structlog
from msgspec import Struct

from omnia_core.addresses import checked_socket, is_private
from omnia_core.files.tools import ToolHandler
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import LiveSource, ToolSource
from omnia_runtime.tools.guarded import GuardedSource
from omnia_runtime.tools.handlers import open_handler, read_handlers
from omnia_runtime.tools.output import OutputCheck

if TYPE_CHECKING:
    import aiohttp

# How long the end of a connection may take.
CLOSE_SECONDS = 5.0
# How long a start waits for the first answer of a tool server, which a busy machine makes late.
ANSWER_SECONDS = 30.0
# How long it waits in all for a server that fails at first, because it may be starting too.
RETRY_SECONDS = 5.0

_log = structlog.get_logger()


class OpenedHandlers(Struct, frozen=True):
    """The usable handlers in the order of the file, and the problems of the others.

    Attributes:
        types: the type of each usable handler, by its name.
    """

    sources: tuple[ToolSource, ...]
    problems: tuple[str, ...]
    types: Mapping[str, str] = {}


class _Held(Struct, frozen=True):
    handler: ToolHandler
    source: GuardedSource


class ToolSources:
    """The sources of tools.yaml. An unchanged handler keeps its source when the file changes.

    A source that is no longer in the file is closed when no configuration and no turn refers to it,
    so that running calls can complete.
    """

    def __init__(
        self, client: HTTPClient, changed: Callable[[], None], *, deny_private: bool = False
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            client: for tools over HTTP.
            changed: called on the event loop when the tools of a server have changed; the next
                `open` returns sources with the new `specs`.
            deny_private: whether servers must be at public addresses.
        """
        self._own_client = HTTPClient(public_connector) if deny_private else None
        self._client = self._own_client or client
        self._deny_private = deny_private
        self._changed = changed
        self._held: dict[str, _Held] = {}
        self._live: list[LiveSource] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, path: str) -> OpenedHandlers:
        """Read the file; an absent or empty file has no handlers.

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
        return OpenedHandlers(
            tuple(entry.source for entry in held.values()),
            tuple(problems),
            {name: entry.handler.type for name, entry in held.items()},
        )

    def broken(self) -> dict[str, bool]:
        """Return whether the circuit breaker of each handler is open; safe in any thread."""
        return {name: entry.source.broken for name, entry in self._held.items()}

    def start(self) -> None:
        """Start to ask the servers for their tools; to be called on the event loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            for live in self._live:
                self._start(live)

    async def settled(self, answer: float = ANSWER_SECONDS, retry: float = RETRY_SECONDS) -> None:
        """Wait until every server has listed its tools; without them a turn would go wrong.

        Args:
            answer: how many seconds a server has to answer or to fail for the first time.
            retry: how many seconds from now a server that has failed is asked again.
        """
        live = self._current()
        await _wait([source.listed() for source in live], min(retry, answer))
        await _wait([source.settled() for source in live], answer - retry)

    async def close(self) -> None:
        """Close every connection."""
        live, self._live, self._held = self._live, [], {}
        self._loop = None
        await asyncio.gather(*self._closing, *(_close(source) for source in live))
        if self._own_client:
            await self._own_client.close()

    def _hold(self, handler: ToolHandler, held: dict[str, _Held]) -> _Held:
        """Return the existing source of an unchanged handler, or open a new one.

        Raises:
            ValueError: the handler is invalid; the message says why.
        """
        if handler.name in held:
            raise ValueError("another handler has the same name: rename one")
        known = self._held.get(handler.name)
        if known is not None and known.handler == handler:
            return known
        inner = open_handler(handler, self._client, deny_private=self._deny_private)
        check = OutputCheck(handler).check if handler.tool and handler.tool.output_schema else None
        # A user who does not answer must not make the client's tool unavailable for others.
        source = GuardedSource(inner, check=check, breaks=handler.type != "client")
        if _is_live(inner):
            self._live.append(inner)
            weakref.finalize(source, self._released, inner).atexit = False
            if self._loop:
                self._start(inner)
        return _Held(handler, source)

    def _current(self) -> list[LiveSource]:
        inner = [entry.source.inner for entry in self._held.values()]
        return [source for source in inner if _is_live(source)]

    def _start(self, live: LiveSource) -> None:
        try:
            live.start(self._changed)
        except Exception:  # noqa: BLE001 - one broken adapter must not stop the others
            _log.exception("a tool handler failed to start", handler=live.name)

    def _released(self, live: LiveSource) -> None:
        """Called by the garbage collector, in any thread, when nothing refers to the source."""
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


async def _wait(events: Sequence[Coroutine[None, None, None]], seconds: float) -> None:
    """Wait until all have happened, at most some seconds; one that fails is logged."""
    if not events:
        return
    waiting = [asyncio.ensure_future(event) for event in events]
    done, late = await asyncio.wait(waiting, timeout=max(0.0, seconds))
    for future in late:
        future.cancel()
    for future in done:
        if not future.cancelled() and future.exception():
            _log.error("a tool handler failed to start", exc_info=future.exception())


async def _close(live: LiveSource) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await live.close()
    except Exception:  # noqa: BLE001 - the others have to be closed too
        _log.exception("a tool handler failed to close", handler=live.name)


def public_connector() -> "aiohttp.TCPConnector":
    """Return a connector to public addresses only; to be called on the event loop."""
    import aiohttp  # noqa: PLC0415 - loaded with the first call

    return aiohttp.TCPConnector(limit=0, socket_factory=checked_socket(is_private))
