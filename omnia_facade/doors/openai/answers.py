"""The end of an answer, after which it is a key of its conversation, and a response that is kept.

The frames of a stream see the end, unless the client has disconnected. The run ends nevertheless,
so both are watched, and what follows is done once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from omnia_core.conversation.tools import ToolCall
from omnia_core.eager import start_eagerly
from omnia_facade.backend.events import Done, Failed, ToolCallEvent, TurnEvent
from omnia_facade.doors.port import Frames
from omnia_facade.runs.run import Run

# What the agent said, and the end of the turn or the calls for whose results it waits.
Settle: TypeAlias = Callable[
    [str, Done | Failed | None, Sequence[ToolCall]], Coroutine[Any, Any, None]
]
# How long a request waits until the answers before it are stored.
SETTLE_SECONDS = 2.0


class Answers:
    """The answers of this pod whose ends are awaited or stored."""

    def __init__(self) -> None:
        self._watching: set[asyncio.Task[None]] = set()
        self._settling: set[asyncio.Task[None]] = set()

    def begin(self, run: Run, settle: Settle) -> "Answer":
        """Watch the next answer of a run."""
        answer = Answer(run, settle, self.settle)
        _keep(self._watching, answer.watch())
        return answer

    def settle(self, work: Coroutine[Any, Any, None]) -> None:
        """Store the end of an answer; up to the first wait at once."""
        _keep(self._settling, work)

    async def settled(self) -> None:
        """Wait for what is being stored: a client may go on before it is."""
        if self._settling:
            await asyncio.wait(tuple(self._settling), timeout=SETTLE_SECONDS)


class Answer:
    """One answer of a run, which may have another after the client's results."""

    def __init__(
        self, run: Run, settle: Settle, start: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._run = run
        self._settle = settle
        self._start = start
        self._said = len(run.texts)
        self._ended = False

    @property
    def text(self) -> str:
        """What the agent said in this answer so far."""
        return "".join(self._run.texts[self._said :])

    def frames(self, frames: Frames) -> Frames:
        """Return frames that end this answer, too."""
        return _EndingFrames(frames, self)

    def end(self, outcome: Done | Failed | None, calls: Sequence[ToolCall] = ()) -> None:
        """Called with the end of the turn, or when it waits for the results of calls."""
        if not self._ended:
            self._ended = True
            self._start(self._settle(self.text, outcome, calls))

    async def watch(self) -> None:
        """End this answer with its run, or when nobody reads a run that waits for the client."""
        run = self._run
        if run.options.keep:
            await run.follow(_Watcher(self), run.position)
        else:
            self.end(await run.ended())


class _EndingFrames:
    __slots__ = ("_answer", "_frames", "text")

    def __init__(self, frames: Frames, answer: Answer) -> None:
        self._frames = frames
        self._answer = answer
        # Bound once: it is called with each piece.
        self.text = frames.text

    def open(self) -> str:
        return self._frames.open()

    def event(self, event: TurnEvent) -> str:
        return self._frames.event(event)

    def park(self, calls: Sequence[ToolCallEvent]) -> str:
        self._answer.end(None, [event.call for event in calls])
        return self._frames.park(calls)

    def end(self, outcome: Done | Failed) -> str:
        self._answer.end(outcome)
        return self._frames.end(outcome)


class _Watcher:
    """Reads a run that may have no other reader."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def text(self, text: str) -> bool:  # noqa: ARG002 - the run has it
        return True

    def event(self, event: TurnEvent) -> bool:  # noqa: ARG002 - likewise
        return True

    def park(self, calls: Sequence[ToolCallEvent]) -> None:
        self._answer.end(None, [event.call for event in calls])

    def end(self, outcome: Done | Failed) -> None:
        self._answer.end(outcome)

    async def drain(self) -> None:
        """Nothing is written."""


def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = start_eagerly(work)
    if not task.done():
        tasks.add(task)
        task.add_done_callback(tasks.discard)
