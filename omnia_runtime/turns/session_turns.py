"""One turn of a session: history, loop, append."""

import asyncio
import time

from msgspec import structs

from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_runtime.agent.loop import run_turn
from omnia_runtime.agent.request_builder import Asking
from omnia_runtime.configuration.reload import Live
from omnia_runtime.observe.audit import note_event, note_held
from omnia_runtime.observe.metrics import Metrics
from omnia_runtime.ports.listener import LimitReached, Listener, TurnFinished
from omnia_runtime.prompts.media import check_parts
from omnia_runtime.turns.agent_version import AgentVersion, BoundTools
from omnia_runtime.turns.media import MediaFolder, Whose, loaded_parts
from omnia_runtime.turns.session_access import SessionBusy, SessionLocks, require_owner
from omnia_runtime.turns.summaries import Summaries
from omnia_runtime.turns.tracing import RuntimeTracing, note_end, note_turn
from omnia_runtime.turns.turn import Caller, Turn, asked, closed
from omnia_runtime.turns.turn_store import Appends, Checkpoints, Noted, cut_by, finished_with


class Conversations:
    """Runs turns; those of one session one after another."""

    def __init__(
        self,
        live: Live,
        store: SessionStore,
        media: MediaFolder,
        metrics: Metrics,
        tracing: RuntimeTracing,
    ) -> None:
        self._live = live
        self._store = store
        self._media = media
        self._metrics = metrics
        self._tracing = tracing
        self._locks = SessionLocks()
        self._appends = Appends(store)
        self._summaries = Summaries(store, self._locks.summary)

    @property
    def takes_uploads(self) -> bool:
        """Whether a message may mention an upload."""
        return self._media.takes_uploads

    async def close(self) -> None:
        """Give up what nobody waits for."""
        await self._summaries.close()

    async def run(self, turn: Turn, listener: Listener, caller: Caller) -> TurnFinished:
        """Run a turn. When it returns, the whole turn is stored and the session is free.

        A turn that is cancelled or fails keeps what was said, marked so.

        Raises:
            OmniaError: the turn failed; the message says what to do.
        """
        began, status = time.monotonic(), "error"
        self._metrics.turn_began()
        try:
            with self._tracing.turn(turn, caller.metadata) as span:
                async with self._locks.turn(turn.session_id):
                    with self._appends.recording():
                        finished = await self._run(turn, listener, caller)
                note_end(span, finished)
            status = "success"
        except asyncio.CancelledError:
            status = "cancelled"
            raise
        except LimitReached as error:
            self._metrics.held(error.limit)
            raise
        except SessionBusy:
            require_owner(await self._store.load(turn.session_id), caller)
            raise
        finally:
            self._metrics.turn_ended(status, time.monotonic() - began)
        return structs.replace(finished, text=turn.text)

    async def _run(self, turn: Turn, listener: Listener, caller: Caller) -> TurnFinished:
        session = await self._store.load(turn.session_id)
        require_owner(session, caller)
        begun_with = session.pack_version if session else ""
        agent = self._live.current.for_session(turn.session_id, begun_with)
        # what a dead runtime left of its turn becomes part of the conversation
        transcript = [*session.messages, *session.interrupted] if session else []
        first, stored = (session.first, len(session.messages)) if session else (0, 0)
        note_turn(agent, transcript, session.deleted if session else None)
        system = agent.prompt.render(agent.prompt.declared(turn.metadata))
        check_parts(agent.prompt.prompt.media, turn.parts)
        transcript.append(asked(turn, caller, agent.version))
        media = await self._media.load_all(transcript, Whose(turn.session_id, caller.user_id))
        # Of an upload only its record and its bytes say what it is.
        check_parts(agent.prompt.prompt.media, loaded_parts(media, turn.parts))
        asking = Asking(agent.context, media, first)
        if session and session.interrupted:
            note_event(EventKind.TURN_INTERRUPTED)
        known = await self._appends.begin(turn.session_id, transcript, stored, first)
        checkpoints = Checkpoints(self._store, turn, transcript, known, first)
        noted = Noted(turn, checkpoints, listener)
        try:
            finished = await self._answer(agent, turn, transcript, system, asking, noted, caller)
        except BaseException as error:
            checkpoints.end()
            reason = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
            cut = closed(transcript, known, turn.text, reason)
            await self._appends.end(turn.session_id, cut, known, cut_by(error), first)
            raise
        checkpoints.end()
        ending = finished_with(finished.reason)
        await self._appends.end(turn.session_id, transcript, known, ending, first)
        if asking.first:
            self._summaries.want(turn.session_id, agent.model, asking.first, transcript, first)
        return finished

    async def _answer(
        self,
        agent: AgentVersion,
        turn: Turn,
        transcript: list[Message],
        system: str,
        asking: Asking,
        listener: Listener,
        caller: Caller,
    ) -> TurnFinished:
        if blocked := agent.validators.check_input(turn.content):
            note_event(EventKind.INPUT_BLOCKED, blocked.validator_type)
            self._metrics.blocked(blocked.validator_type, "input")
            transcript.append(Message("assistant", blocked.message, finish_reason="safety"))
            if not listener.say(blocked.message):
                await listener.room()
            return TurnFinished(blocked.message, "safety", Usage())
        finished = await run_turn(
            agent.model,
            BoundTools(agent.tools, agent.rate, turn.session_id, caller),
            agent.request(system, transcript, turn.metadata),
            transcript,
            agent.limits,
            asking,
            listener,
            agent.validators.gate(),
        )
        self._metrics.held(finished.limit, finished.blocked)
        note_held(finished.limit, finished.blocked)
        loaded = [await self._media.load(part) for part in finished.parts]
        return structs.replace(finished, parts=tuple(loaded))
