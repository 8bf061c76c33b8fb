"""Runs the turns of sessions: load the session, run the agent, store the turn."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from msgspec import structs

from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_core.names import TRIAL_VARIANT
from omnia_core.sessions import Message, Session, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.signals import CANCEL, Signal
from omnia_core.telemetry.tracing import current_span
from omnia_runtime.agent.request_builder import RequestBuilder
from omnia_runtime.observe.audit import mark_trial, record_event
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import AgentListener, TurnFinished
from omnia_runtime.ports.model import ProviderError
from omnia_runtime.prompts.media import check_parts
from omnia_runtime.turns.agent_version import AgentVersion, AgentVersions, trial_of
from omnia_runtime.turns.budget import AgentBudget
from omnia_runtime.turns.ended import EndedTurn, TurnListener
from omnia_runtime.turns.media import MediaInvalid, MediaLoader, MediaOwner, loaded_parts
from omnia_runtime.turns.naming import Naming
from omnia_runtime.turns.running import RunningTurn, RunningTurns
from omnia_runtime.turns.summaries import Summaries
from omnia_runtime.turns.tracing import RuntimeTracing, note_end, note_turn
from omnia_runtime.turns.turn import Caller, UserTurn, close_transcript, seeded, user_message
from omnia_runtime.turns.turn_store import (
    CheckpointingListener,
    Checkpoints,
    TurnStore,
    completed_ending,
    failed_ending,
)


class SessionTurns:
    """Runs turns; the turns of one session run one after another."""

    def __init__(
        self,
        agents: AgentVersions,
        store: SessionStore,
        media: MediaLoader,
        metrics: RuntimeMetrics,
        tracing: RuntimeTracing,
        ended: TurnListener | None = None,
        budget: AgentBudget | None = None,
        *,
        keep_variables: bool = False,
    ) -> None:
        """`ended` is called for turns that are to be evaluated; `budget` may refuse turns.

        `keep_variables`: store the values of the prompt's variables with each message.
        """
        self._agents = agents
        self._ended = ended
        self._budget = budget
        self._keep_variables = keep_variables
        self._store = store
        self._media = media
        self._tracing = tracing
        self._metrics = metrics
        self._locks = SessionLocks()
        self._turns = TurnStore(store, costs=budget is not None)
        self._summaries = Summaries(store, self._locks.summary)
        self._naming = Naming(store)
        self._running = RunningTurns(store.signals)

    @property
    def accepts_uploads(self) -> bool:
        """Whether a message may refer to an upload."""
        return self._media.accepts_uploads

    async def close(self) -> None:
        """Cancel background work."""
        await self._summaries.close()
        await self._naming.close()
        await self._running.close()

    async def cancel(self, session_id: str, caller: Caller) -> bool:
        """Cancel the running turn of a session in any pod; False if no turn is running.

        A turn that ends at the same moment may end without having been cancelled.

        Raises:
            SessionUnknown: the session does not exist or belongs to another user.
            StoreUnavailable: the session store cannot be reached.
        """
        session = await self._store.load(session_id)
        require_owner(session, caller)
        turn = self._running.get(session_id)
        if turn and (session or turn.user_id in ("", caller.user_id)):
            turn.cancel()
            return True
        if session is None:
            raise SessionUnknown(session_id)
        if not session.answering:
            return False
        return await self._running.send(Signal(session_id, CANCEL, caller.user_id, session.length))

    async def end_session(self, session_id: str, caller: Caller) -> bool:
        """End a session that the caller began; return False when there is none.

        A turn that another pod runs fails when it is stored.

        Raises:
            SessionBusy: a turn of the session is running here.
            StoreUnavailable: the session store cannot be reached.
        """
        session = await self._store.load(session_id)
        if session is None or session.user_id != caller.user_id:
            return False
        async with self._locks.turn(session_id):
            return await self._store.own.end(session_id)

    async def run(
        self,
        turn: UserTurn,
        listener: AgentListener,
        caller: Caller,
        cancel: Callable[[], None] = lambda: None,
    ) -> TurnFinished:
        """Run a turn. When this returns, the turn is stored and the session is free.

        `cancel` is called when the turn is to end early.

        If the turn is cancelled or fails, the answer sent so far is stored and marked.

        Raises:
            OmniaError: the turn failed; the message says what to do.
        """
        with self._metrics.measure_turn(lambda: TRIAL_VARIANT if turn.trial else ""):
            try:
                with self._tracing.turn(turn, caller.metadata) as span:
                    async with self._locks.turn(turn.session_id):
                        with (
                            self._turns.recording(),
                            self._running.running(
                                turn.session_id, caller.user_id, cancel
                            ) as running,
                        ):
                            finished = await self._run(turn, listener, caller, running)
                    note_end(span, finished)
            except SessionBusy:
                require_owner(await self._store.load(turn.session_id), caller)
                raise
        self._metrics.turn_cost(finished.usage)
        return structs.replace(finished, text=turn.answer)

    async def _run(
        self, turn: UserTurn, listener: AgentListener, caller: Caller, running: RunningTurn
    ) -> TurnFinished:
        began = time.monotonic()
        if self._budget is not None:
            await self._budget.admit()
        session = await self._store.load(turn.session_id)
        require_owner(session, caller)
        turn.session_name = session.name if session else ""
        agent = self._agent_of(turn, session)
        turn.pack_version = agent.version
        # The rest of a turn whose runtime died becomes part of the conversation.
        transcript = (
            [*session.messages, *session.interrupted]
            if session
            else seeded(turn, caller, agent.version)
        )
        first, stored = (session.first, len(session.messages)) if session else (0, 0)
        note_turn(agent, transcript, session.deleted if session else None)
        system = agent.prompt.render(agent.prompt.declared(turn.metadata))
        check_parts(agent.prompt.prompt.media, turn.parts)
        begin = len(transcript)
        transcript.append(self._message(turn, caller, agent))
        owner = MediaOwner(turn.session_id, caller.user_id)
        media = await self._media.load_all(transcript, owner)
        # The type and the size of an upload are known only after it is loaded.
        check_parts(agent.prompt.prompt.media, loaded_parts(media, turn.parts))
        requests = RequestBuilder(agent.context, media, first)
        if session and session.interrupted:
            record_event(EventKind.TURN_INTERRUPTED)
        known = await self._turns.begin(turn.session_id, transcript, stored, first)
        running.stored(first + known)
        checkpoints = Checkpoints(self._store, turn, transcript, known, first)
        listener = CheckpointingListener(turn, checkpoints, listener)
        name: Callable[[], str] | None = None
        try:
            if blocked := agent.check_input(turn.content):
                finished = await _send_blocked(blocked.message, transcript, listener)
            else:
                name = self._name(session, agent, turn.session_id, transcript)
                agent = agent.with_client_tools(turn.tools)
                loop = agent.loop(requests, turn.session_id, caller)
                request = agent.request(system, transcript, turn.metadata)
                finished = await agent.run(loop, request, transcript, listener)
                finished = await self._with_media(finished, transcript)
                turn.session_name = name()
        except BaseException as error:
            checkpoints.end()
            turn.session_name = name() if name else turn.session_name
            reason = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
            closed = close_transcript(transcript, known, turn.answer, reason)
            await self._turns.end(turn.session_id, closed, known, failed_ending(error), first)
            raise
        checkpoints.end()
        ending = completed_ending(finished.reason)
        await self._turns.end(turn.session_id, transcript, known, ending, first)
        self._evaluate(turn, session, agent, transcript[begin:], finished, began)
        if requests.first and requests.first.wants_summary:
            self._summaries.start(turn.session_id, agent.model, requests.first, transcript, first)
        return finished

    def _message(self, turn: UserTurn, caller: Caller, agent: AgentVersion) -> Message:
        """Return the record of the user's message, with its variables if they are to be kept."""
        keeps = self._keep_variables and agent.prompt.variables
        variables = agent.prompt.declared(turn.metadata) if keeps else None
        return user_message(turn, caller, agent.version, agent.variant, variables)

    def _agent_of(self, turn: UserTurn, session: Session | None) -> AgentVersion:
        """Return the version of the agent that answers a turn.

        Raises:
            TrialInvalid: the turn asks for a trial that is not possible.
        """
        begun_with = session.pack_version if session else ""
        turn.trial = trial_of(turn, session)
        if turn.trial is None:
            return self._agents.for_session(turn.session_id, begun_with)
        mark_trial()
        return self._agents.for_trial(turn.session_id, begun_with, turn.trial)

    def _evaluate(
        self,
        turn: UserTurn,
        session: Session | None,
        agent: AgentVersion,
        messages: Sequence[Message],
        finished: TurnFinished,
        began: float,
    ) -> None:
        """Have a turn evaluated, of which `messages` are, if it is to be."""
        if self._ended is None or not agent.evals:
            return
        before = _number(session, session.messages if session else turn.history)
        self._ended(
            EndedTurn(
                session_id=turn.session_id,
                number=before + 1,
                agent=agent,
                messages=messages,
                answer=turn.answer,
                usage=finished.usage,
                latency_ms=(time.monotonic() - began) * 1000,
                blocked=finished.blocked,
                span=current_span(),
            )
        )

    def _name(
        self,
        session: Session | None,
        agent: AgentVersion,
        session_id: str,
        transcript: Sequence[Message],
    ) -> Callable[[], str]:
        """Name the session, if that is due; return what returns its name so far."""
        known = session.name if session else ""
        if session and session.name_given:
            return lambda: known
        if agent.naming is None or not agent.naming.due(known, _number(session, transcript)):
            return lambda: known
        task = self._naming.start(session_id, agent.naming, known, transcript)
        return lambda: task.result() if task.done() and not task.cancelled() else known

    async def _with_media(self, finished: TurnFinished, transcript: list[Message]) -> TurnFinished:
        """Return the answer with the bytes of its media.

        Raises:
            ProviderError: a part of the answer cannot be loaded.
        """
        try:
            parts = [await self._media.load(part) for part in finished.parts]
        except MediaInvalid as error:
            if transcript[-1].role == "assistant":
                # The failed turn stores its answer once more, with the finish reason error.
                del transcript[-1]
            raise ProviderError(
                f"the model's answer has media that cannot be loaded: {error.message}"
            ) from error
        return structs.replace(finished, parts=tuple(parts))


def _number(session: Session | None, transcript: Sequence[Message]) -> int:
    """Return the number of the last turn of a transcript, from 1; deleted turns count."""
    deleted = session.deleted.turns if session and session.deleted else 0
    return deleted + sum(message.role == "user" for message in transcript)


async def _send_blocked(
    message: str, transcript: list[Message], listener: AgentListener
) -> TurnFinished:
    """Answer with the message of the validator that blocked the input."""
    transcript.append(Message("assistant", message, finish_reason="safety"))
    if not listener.send_text(message):
        await listener.drain()
    return TurnFinished(text=message, reason="safety", usage=Usage())


# A turn that was just cancelled is still storing its answer; the next turn may wait for it.
WAIT_SECONDS = 1.0
# A finished summary waits for a turn that began meanwhile: a new summary would cost more.
SUMMARY_WAIT_SECONDS = 600.0


class SessionBusy(OmniaError):
    """Another turn of the session is running."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f'another turn of session "{session_id}" is running; send the message again '
            "when it has ended",
        )


class SessionUnknown(OmniaError):
    """The session does not exist, or belongs to another user."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.NOT_FOUND,
            f'session "{session_id}" is unknown or has expired; a message without session_id '
            "starts a new one",
        )


def require_owner(session: Session | None, caller: Caller) -> None:
    """Check that the session is new or open to the caller.

    Raises:
        SessionUnknown: the session belongs to another user. The error is the same as for a session
            that does not exist, so that a caller cannot find out which sessions exist.
    """
    if session is not None and not session.open_to(caller.user_id):
        raise SessionUnknown(session.id)


class _Lock(asyncio.Lock):
    """A lock with a count of its waiters.

    A lock that is not locked may already belong to a waiter that is about to wake up.
    """

    waiters = 0


class SessionLocks:
    """One lock for each session in use.

    Each context manager raises `SessionBusy` if the lock is not free in time.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    def turn(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Lock the session for a turn."""
        return self._lock(session_id, WAIT_SECONDS)

    def summary(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Lock the session while a summary is stored."""
        return self._lock(session_id, SUMMARY_WAIT_SECONDS)

    @asynccontextmanager
    async def _lock(self, session_id: str, timeout: float) -> AsyncIterator[None]:
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = _Lock()
        if lock.locked() or lock.waiters:
            lock.waiters += 1
            try:
                async with asyncio.timeout(timeout):
                    await lock.acquire()
            except TimeoutError as error:
                raise SessionBusy(session_id) from error
            finally:
                lock.waiters -= 1
        else:
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()
