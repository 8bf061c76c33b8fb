"""Answers that are remembered until it is time to ask again.

A reconciliation happens whenever something changes, the registry's own status included: without
a memory, every answer would cause the next question.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from omnia_core.env.contract import SecretStr
from omnia_core.errors import ConfigurationError
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.api.toolregistry import Probe, ToolStatus
from omnia_operator.discovery import schedule
from omnia_operator.discovery.port import Context, Discovery, HandlerTools
from omnia_operator.discovery.selector import located
from omnia_operator.discovery.servers import discover_all
from omnia_operator.resolve import Key

Question = tuple[ToolHandler | str, SecretStr | None, Probe | None]
"""All that an answer depends on; it is asked anew when one of them changes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the handlers of a registry answered last.

    Attributes:
        again: seconds until the next question is due.
        asked: names of the handlers that were asked just now.
    """

    answers: tuple[HandlerTools, ...]
    again: float
    asked: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Remembered:
    question: Question
    answer: HandlerTools
    failures: int
    due: float


class DiscoveryCache:
    """Asks the servers of each registry when it is time.

    Args:
        discovery: how they are asked.
        clock: seconds that only grow.
        spread: a number from 0 to 1 at random.
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
        self._memory: dict[Key, dict[str, _Remembered]] = {}

    async def look(self, registry: Key, handlers: Iterable[ToolHandler], context: Context) -> Seen:
        """Ask the handlers whose question is due or new; the others keep their answers."""
        memory = self._memory.get(registry, {})
        questions = {each.name: (each, _question(each, context)) for each in handlers}
        now = self._clock()
        due = [
            handler
            for name, (handler, question) in questions.items()
            if (known := memory.get(name)) is None or known.question != question or known.due <= now
        ]
        answers = await discover_all(self._discovery, due, context)
        now = self._clock()
        fresh = {
            each.handler: self._remembered(each, questions[each.handler][1], memory, context, now)
            for each in answers
        }
        memory = {name: fresh.get(name) or memory[name] for name in questions}
        self._memory[registry] = memory
        again = min((each.due - now for each in memory.values()), default=schedule.INTERVAL)
        return Seen(
            tuple(each.answer for each in memory.values()), max(again, 0.0), frozenset(fresh)
        )

    def forget(self, registry: Key) -> None:
        """Forget a registry that was deleted."""
        self._memory.pop(registry, None)

    def _remembered(
        self,
        answer: HandlerTools,
        question: Question,
        memory: dict[str, _Remembered],
        context: Context,
        now: float,
    ) -> _Remembered:
        known = memory.get(answer.handler)
        before = known.failures if known and known.question == question else 0
        failures = before + 1 if answer.status is ToolStatus.UNAVAILABLE else 0
        interval = context.probe.interval.seconds if context.probe else schedule.INTERVAL
        wait = schedule.wait(failures, self._spread(), max(interval, schedule.FIRST_RETRY))
        return _Remembered(question, answer, failures, now + wait)


def _question(handler: ToolHandler, context: Context) -> Question:
    try:
        found: ToolHandler | str = located(handler, context.services, context.namespace)
    except ConfigurationError as error:
        found = error.message
    return found, context.credentials.get(handler.name), context.probe
