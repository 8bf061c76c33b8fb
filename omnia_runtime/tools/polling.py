"""A source whose server is asked for its tools at intervals."""

import asyncio
import random
from abc import ABC, abstractmethod

import structlog
from msgspec import Struct

from omnia_core.files.tools import ToolHandler
from omnia_core.units import Duration
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import Changed
from omnia_runtime.tools.retry import Backoff

_log = structlog.get_logger()


class PollResult(Struct, frozen=True):
    """The answer of a server to the question for its tools.

    Attributes:
        specs: the tools, None if they are as before.
        problem: what is wrong, in words that follow the name of the handler, "" if nothing is.
        answered: whether the server answered; if not, it is asked again after a back-off.
    """

    specs: list[ToolSpec] | None = None
    problem: str = ""
    answered: bool = True


class PolledSource(ABC):
    """The part of a source that polls; the adapter adds `_poll` and `call`.

    The last tools that the server listed stay in use while it is away.
    """

    def __init__(self, handler: ToolHandler, interval: float, away: Backoff) -> None:
        """Prepare; nothing is asked yet.

        Args:
            handler: its name and its timeout are used.
            interval: seconds between two polls.
            away: the waits instead, while the server does not answer.

        Raises:
            ValueError: the timeout of the handler is not a duration.
        """
        self.name = handler.name
        self.timeout = Duration.parse(handler.timeout).seconds
        self.problem = ""
        self._type = handler.type
        self._specs: list[ToolSpec] = []
        self._interval, self._away = interval, away
        self._polled = asyncio.Event()
        self._answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def specs(self) -> list[ToolSpec]:
        return list(self._specs)

    def start(self, changed: Changed) -> None:
        self._task = asyncio.create_task(self._run(changed), name=f"tools of {self.name}")

    async def settled(self) -> None:
        await self._polled.wait()

    async def listed(self) -> None:
        await self._answered.wait()

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._polled.set()
        self._answered.set()

    @abstractmethod
    async def _poll(self) -> PollResult:
        """Ask the server for its tools; never raises."""

    async def _run(self, changed: Changed) -> None:
        failures = 0
        while True:
            result = await self._poll()
            failures = 0 if result.answered else failures + 1
            self._report(result.problem)
            if result.specs is not None and result.specs != self._specs:
                self._specs = result.specs
                changed()
            self._polled.set()
            if result.answered:
                self._answered.set()
            wait = self._away.wait(failures, random.random()) if failures else self._interval  # noqa: S311 - not a secret
            await asyncio.sleep(wait)

    def _report(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning(
                "tool server has a problem", handler=self.name, type=self._type, problem=problem
            )
        elif self.problem and not problem:
            _log.info("tool server has recovered", handler=self.name, type=self._type)
        self.problem = problem
