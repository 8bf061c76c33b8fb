"""A run: one turn that lives apart from connections, with readers that come and go."""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

import structlog
from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.tools import ToolResult
from omnia_facade.backend.events import (
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import BackendConnection
from omnia_facade.runs.attachment import Attachment
from omnia_facade.runs.log import LogBudget, RunLog
from omnia_facade.runs.parked import PendingCalls
from omnia_facade.runs.reader import RunReader

# How long a run waits for a turn of its session that runs in another pod, and how often it tries;
# the runtime itself waits for a second each time.
BUSY_SECONDS = 600.0
BUSY_PAUSE = 0.5

BROKEN_OFF = Failed(ErrorCode.INTERNAL_ERROR, "the answer broke off; send the message again")
INTERRUPTED = Failed(
    ErrorCode.AGENT_UNAVAILABLE, "interrupted: the server shut down; send the message again"
)

_log = structlog.get_logger()


class RunState(StrEnum):
    """Where a run is. The last three are final."""

    SUBMITTED = "submitted"
    WORKING = "working"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELED)


class RunOptions(Struct, frozen=True, kw_only=True):
    """How a run behaves.

    Attributes:
        keep: the run goes on when its connection is lost, and its events can be read again;
            otherwise it is cancelled.
        client_tools: the run waits for the client's results of tool calls between two requests;
            otherwise such calls are rejected at once.
        waits: the run waits while another turn of its session runs, in whichever pod, instead of
            failing with SESSION_CONFLICT.
        listed: other pods find the run when they list those of its user.
        log_bytes: the limit of the log.
        client_tool_seconds: how long the client may take for a tool.
    """

    keep: bool = False
    client_tools: bool = False
    waits: bool = False
    listed: bool = False
    log_bytes: int = 1 << 20
    client_tool_seconds: float = 60.0


class Run:
    """Drives a turn in a task of its own, and is its listener.

    A text piece takes plain calls from the runtime to the reader's socket. A reader that does not
    keep up continues from the log, so that it holds nobody back; where there is no log, the turn
    waits for it.

    Attributes:
        id: unguessable.
        request: the user's message and its session.
        user_id: the owner.
        door: which door began it.
        state: where it is.
        created_at, updated_at: seconds since the epoch; the latter changes with the state.
        outcome: the end of the turn; None before.
        texts: the pieces of the answer so far.
        begun: whether anything came of the turn.
        message_id: the client's id of the user's message; "" if it has none.
        note: what the door wants to remember with the run.
    """

    def __init__(
        self,
        run_id: str,
        request: TurnRequest,
        connection: BackendConnection,
        options: RunOptions,
        *,
        user_id: str = "",
        door: str = "",
        budget: LogBudget | None = None,
    ) -> None:
        self.id = run_id
        self.request = request
        self.user_id = user_id
        self.door = door
        self.options = options
        self.state = RunState.SUBMITTED
        self.created_at = self.updated_at = time.time()
        self.outcome: Done | Failed | None = None
        self.texts: list[str] = []
        self.message_id = ""
        self.begun = False
        self.note: object = None
        self._watchers: list[Callable[[Run], None]] = []
        self._connection = connection
        self._log = RunLog(options.log_bytes, budget or LogBudget())
        self._pending = PendingCalls(options.client_tool_seconds, self._park, self._send_result)
        self._attached: list[Attachment] = []
        self._changed = asyncio.Event()
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def session_id(self) -> str:
        """The session of the turn."""
        return self.request.session_id

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.texts)

    @property
    def pending(self) -> Sequence[ToolCallEvent]:
        """The calls that the client has not answered."""
        return self._pending.calls

    @property
    def replayable(self) -> bool:
        """Whether a reader gets everything from the beginning."""
        return not self._log.dropped

    @property
    def position(self) -> int:
        """Where the log ends now: `follow` from here reads only what is new."""
        return len(self._log.entries)

    def start(self, after: "Run | None" = None) -> None:
        """Begin the turn, after the end of another run if one is given."""
        self._task = asyncio.get_running_loop().create_task(self._drive(after))

    def watch(self, watcher: Callable[["Run"], None]) -> None:
        """Have a function called with the run after each change of its state."""
        self._watchers.append(watcher)

    def cancel(self) -> None:
        """Ask the turn to end soon, with its text so far."""
        if self.state is RunState.SUBMITTED:
            self._end(Done("", finish_reason=CANCELLED))
            if self._task:
                self._task.cancel()
        elif not self.state.final:
            self._connection.cancel()

    def interrupt(self) -> None:
        """End the run at once, because the program ends."""
        if not self.state.final:
            self._end(INTERRUPTED)
            if self._task:
                self._task.cancel()

    def answer(self, results: Sequence[ClientToolResult]) -> bool:
        """Pass on the client's results of tool calls; return whether one was waited for."""
        return sum(self._pending.answer(result) for result in results) > 0

    def forget_log(self) -> None:
        """Free the memory of the log: the run cannot be read again."""
        self._log.drop()

    async def ended(self) -> Done | Failed:
        """Wait for the end."""
        while self.outcome is None:
            await self._changed.wait()
        return self.outcome

    async def rests(self) -> None:
        """Wait until the run ends, or waits for the client."""
        while self.outcome is None and self.state is not RunState.WAITING:
            await self._changed.wait()

    async def began(self, seconds: float) -> None:
        """Wait until there is something to read, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def follow(self, reader: RunReader, start: int = 0, *, merged: bool = False) -> None:
        """Feed a reader from an entry of the log on, until the run ends or waits for the client.

        With `merged`, pieces of text that were recorded come as one. Cancelling this detaches the
        reader.
        """
        attachment = Attachment(reader, start, merged=merged)
        self._attached.append(attachment)
        self._notify()
        try:
            while True:
                await self._replay(attachment)
                if self.outcome is not None:
                    reader.end(self.outcome)
                    return
                if self.state is RunState.WAITING:
                    reader.park(self._pending.calls)
                    return
                attachment.live = True
                if not self.options.keep:
                    self._log.drop()
                self._notify()
                await attachment.stirred.wait()
                attachment.stirred.clear()
                if attachment.live:
                    # It has got everything until now.
                    attachment.live = False
                    attachment.position = self.position
        finally:
            self._attached.remove(attachment)
            self._notify()

    def send_text(self, text: str) -> bool:
        """Take a piece of the answer, as `TurnListener.send_text`."""
        self.texts.append(text)
        if not self.begun:
            self._begin()
        log = self._log
        ready = True
        for attachment in self._attached:
            if attachment.live and not attachment.reader.text(text):
                ready = self._fall_behind(attachment)
        if log.recording:
            log.add(text)
            if not self._stirred.is_set():
                self._stirred.set()
            return ready and not log.over
        return ready

    async def drain(self) -> None:
        """Wait until readers that hold the turn take more."""
        if self._log.over:
            self._log.make_room()
        if self._log.over:
            while any(not attachment.live for attachment in self._attached) or (
                not self._attached and not self.options.keep
            ):
                await self._changed.wait()
            self._log.drop()
        if self._log.dropped:
            for attachment in tuple(self._attached):
                await attachment.reader.drain()

    async def send_event(self, event: TurnEvent) -> None:
        """Take an event, as `TurnListener.send_event`."""
        if isinstance(event, ToolCallEvent) and event.by_client:
            if not self.options.client_tools:
                rejection = "this door has no tools of the client"
                self._send_result(ClientToolResult(event.call.id, rejection=rejection))
                return
            self._pending.add(event)
        self._record(event)
        await self.drain()

    def _record(self, event: TurnEvent) -> None:
        for attachment in self._attached:
            if attachment.live and not attachment.reader.event(event):
                self._fall_behind(attachment)
        self._log.add(event)
        if not self.begun:
            self._begin()
        self._stirred.set()

    def _begin(self) -> None:
        """Note the first piece or event: a run that waited for the session waits no longer."""
        self.begun = True
        if self.state is RunState.SUBMITTED:
            self._enter(RunState.WORKING)

    def _fall_behind(self, attachment: Attachment) -> bool:
        """Let a slow reader continue from the log; return whether the turn need not wait."""
        if not self._log.recording:
            return False
        attachment.live = False
        # The entry that it has taken is added next.
        attachment.position = len(self._log.entries) + 1
        attachment.stirred.set()
        return True

    async def _replay(self, attachment: Attachment) -> None:
        reader, entries = attachment.reader, self._log.entries
        # A reader that fell behind has something unread.
        await reader.drain()
        while attachment.position < len(entries):
            entry = attachment.take(entries)
            taken = reader.text(entry) if isinstance(entry, str) else reader.event(entry)
            if not taken:
                await reader.drain()

    def _send_result(self, result: ClientToolResult) -> None:
        self._connection.send_tool_result(result)
        if result.rejection is None:
            self._record(ToolResultEvent(result.call_id, ToolResult(result.result_json)))
        elif self.options.client_tools:
            self._record(
                ToolResultEvent(result.call_id, ToolResult(result.rejection, is_error=True))
            )
        if self.state is RunState.WAITING and not self._pending.calls:
            self._enter(RunState.WORKING)

    def _park(self) -> None:
        """Called when the turn waits for the client only."""
        if self.state is RunState.WORKING:
            if not self.options.keep:
                self._log.begin_again()
            self._enter(RunState.WAITING)

    @property
    def variant(self) -> str:
        """The side of a rollout that answers."""
        return self._connection.variant

    async def _drive(self, after: "Run | None") -> None:
        outcome: Done | Failed = BROKEN_OFF
        try:
            if after is not None:
                await after.ended()
            outcome = await self._turn()
        except Exception:  # noqa: BLE001 - the readers get an error
            _log.exception("run crashed", session_id=self.session_id, run_id=self.id)
        finally:
            self._connection.close()
            if self.outcome is None:
                self._end(outcome)

    async def _turn(self) -> Done | Failed:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            if self.state is RunState.SUBMITTED and not self.options.waits:
                self._enter(RunState.WORKING)
            outcome = await self._connection.turn(self.request, self)
            busy = isinstance(outcome, Failed) and outcome.code == ErrorCode.SESSION_CONFLICT
            if not busy or not self.options.waits or time.monotonic() > deadline:
                return outcome
            await asyncio.sleep(BUSY_PAUSE)

    def _end(self, outcome: Done | Failed) -> None:
        if isinstance(outcome, Done) and outcome.content and not self.texts:
            # A backend may answer at once, without pieces.
            self.send_text(outcome.content)
        self._pending.close()
        self.outcome = outcome
        if isinstance(outcome, Failed):
            self._enter(RunState.FAILED)
        else:
            cancelled = outcome.finish_reason == CANCELLED
            self._enter(RunState.CANCELED if cancelled else RunState.COMPLETED)

    def _enter(self, state: RunState) -> None:
        self.state = state
        self.updated_at = time.time()
        if state is not RunState.WORKING:
            self._stirred.set()
            for attachment in self._attached:
                attachment.stirred.set()
        self._notify()
        for watcher in self._watchers:
            watcher(self)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
