"""Caches the results of discovery until a handler is due again.

Reconciliations follow every change, that of the registry's own status included. Without the cache
every result would cause the next request.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from omnia_core.env.contract import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import ServerProbe, ToolStatus
from omnia_operator.discovery.port import Discovery, DiscoveryContext, HandlerTools
from omnia_operator.discovery.servers import discover_all
from omnia_operator.resolve import Key, located

INTERVAL = 60.0
FIRST_RETRY = 5.0
LONGEST_RETRY = 300.0
_JITTER = 0.25

_Input = tuple[
    ToolHandler | str,
    tuple[SecretStr, ...],
    ConfigText | None,
    ConfigText | None,
    ServerProbe | None,
]
"""Everything that a result depends on; a handler is asked again when it changes."""


@dataclass(frozen=True, slots=True)
class DiscoveryResult:
    """The last results of a registry's handlers.

    Attributes:
        again: seconds until the next handler is due.
        asked: names of the handlers that were asked just now.
    """

    answers: tuple[HandlerTools, ...]
    again: float
    asked: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Entry:
    input: _Input
    answer: HandlerTools
    failures: int
    due: float


class DiscoveryCache:
    """Asks the servers of each registry when they are due.

    Args:
        discovery: asks a server.
        clock: monotonic seconds.
        spread: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        discovery: Discovery,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._discovery = discovery
        self._clock = clock
        self._spread = spread
        self._registries: dict[Key, dict[str, _Entry]] = {}

    async def discover(
        self, registry: Key, handlers: Iterable[ToolHandler], context: DiscoveryContext
    ) -> DiscoveryResult:
        """Ask the handlers that are due, new or changed; the others keep their results."""
        known = self._registries.get(registry, {})
        inputs = {handler.name: (handler, _input(handler, context)) for handler in handlers}
        now = self._clock()
        due = [
            handler
            for name, (handler, its_input) in inputs.items()
            if (entry := known.get(name)) is None or entry.input != its_input or entry.due <= now
        ]
        context = replace(context, known={name: entry.answer for name, entry in known.items()})
        answers = await discover_all(self._discovery, due, context)
        now = self._clock()
        fresh = {
            answer.handler: self._entry(
                answer, inputs[answer.handler][1], known.get(answer.handler), context, now
            )
            for answer in answers
        }
        entries = {name: fresh.get(name) or known[name] for name in inputs}
        self._registries[registry] = entries
        again = min((entry.due - now for entry in entries.values()), default=INTERVAL)
        return DiscoveryResult(
            tuple(entry.answer for entry in entries.values()), max(again, 0.0), frozenset(fresh)
        )

    def forget(self, registry: Key) -> None:
        """Drop the results of a deleted registry."""
        self._registries.pop(registry, None)

    def _entry(
        self,
        answer: HandlerTools,
        its_input: _Input,
        known: _Entry | None,
        context: DiscoveryContext,
        now: float,
    ) -> _Entry:
        before = known.failures if known and known.input == its_input else 0
        failures = before + 1 if answer.status is ToolStatus.UNAVAILABLE else 0
        interval = context.probe.interval.seconds if context.probe else INTERVAL
        delay = wait(failures, self._spread(), max(interval, FIRST_RETRY))
        return _Entry(its_input, answer, failures, now + delay)


def wait(failures: int, spread: float, interval: float = INTERVAL) -> float:
    """Return the seconds until a server is asked again.

    Args:
        failures: number of failures in a row.
        spread: random number from 0 to 1 that shortens the wait by up to a quarter.
        interval: the wait without failures.
    """
    # The exponent is bounded because 2 ** 10000 overflows a float.
    backoff = FIRST_RETRY * 2 ** min(failures - 1, 16) if failures else interval
    longest = max(LONGEST_RETRY, interval) if not failures else LONGEST_RETRY
    return min(backoff, longest) * (1 - _JITTER * spread)


def _input(handler: ToolHandler, context: DiscoveryContext) -> _Input:
    try:
        address: ToolHandler | str = located(handler, context.services, context.namespace)
    except ConfigurationError as error:
        address = error.message
    # A handler's name has no dot, and the names of its files begin with it.
    secrets = tuple(
        secret
        for file, secret in context.credentials.items()
        if file.partition(".")[0] == handler.name
    )
    document = context.documents.get(handler.name)
    return address, secrets, document, context.authorities.get(handler.name), context.probe
