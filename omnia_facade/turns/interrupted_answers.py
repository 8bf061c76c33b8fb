"""Stores answers whose runtime went away as checkpoints in the session store."""

import asyncio
from collections import Counter as Multiset
from collections.abc import Callable, Mapping, Sequence

import orjson
import prometheus_client
import structlog
from msgspec import Struct, structs

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.env import FacadeEnv
from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, Session, SessionStore
from omnia_core.sessions.audit import timestamp
from omnia_core.sessions.factory import OnDemandSessionStore, open_sessions, session_url
from omnia_core.sessions.records import is_placeholder, placeholder_result
from omnia_facade.backend.events import ClientToolResult, ToolResultEvent, TurnRequest
from omnia_facade.turns.relayed import InterruptedAnswerOutcome, InterruptedAnswerStore, RelayedTurn

# How long the end of a turn waits for the session store.
WAIT_SECONDS = 2.0
# How long a write may take.
WRITE_SECONDS = 5.0

_log = structlog.get_logger()


class InterruptedAnswerWriter(InterruptedAnswerStore):
    """Stores the relayed part of an answer as a checkpoint, as the runtime would have.

    It never appends: if the runtime is alive after all, it ends its turn at the session length
    that it knows. That replaces the checkpoint, which contains nothing more than its append.

    The driver is loaded by the first interrupted answer, and the connections are closed after the
    last: both are rare, and every pod would pay for them.
    """

    def __init__(
        self,
        env: FacadeEnv,
        outcomes: Mapping[InterruptedAnswerOutcome, prometheus_client.Counter],
        *,
        open_store: Callable[[FacadeEnv], SessionStore] = open_sessions,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Use the session store of the environment.

        Args:
            env: has the address of the session store.
            outcomes: count the answers by outcome.
            open_store: opens the store, in a thread, when there is an answer to store.
            wait_seconds: how long a turn waits for the store.

        Raises:
            ConfigurationError: the session store has no URL.
        """
        session_url(env)
        self._outcomes = outcomes
        self._store = OnDemandSessionStore(env, open_store)
        self._wait_seconds = wait_seconds
        self._writes: set[asyncio.Task[bool]] = set()
        self._writing = 0

    async def store(self, request: TurnRequest, relayed: RelayedTurn) -> bool:
        write = asyncio.get_running_loop().create_task(self._write(request, relayed))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        # Neither the timeout nor a cancelled caller cancels the write.
        ended, _ = await asyncio.wait({write}, timeout=self._wait_seconds)
        return bool(ended) and write.result()

    async def close(self) -> None:
        """Wait for the running writes."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=WRITE_SECONDS)

    async def _write(self, request: TurnRequest, relayed: RelayedTurn) -> bool:
        outcome, reason, now = InterruptedAnswerOutcome.FAILED, "", timestamp()
        self._writing += 1
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                decision = await self._write_checkpoint(request, relayed, now)
                outcome, reason = decision.outcome, decision.reason
        except TimeoutError:
            reason = f"the session store did not answer within {WRITE_SECONDS:g} s"
        except OmniaError as error:
            reason = error.message
        except Exception:  # noqa: BLE001 - the client must get the end of its turn in any case
            _log.exception("an interrupted answer was not stored", session_id=request.session_id)
        if reason:
            _log.warning(
                "an interrupted answer was not stored",
                session_id=request.session_id,
                reason=reason,
            )
        self._outcomes[outcome].inc()
        self._writing -= 1
        if not self._writing:
            await self._store.close()
        return outcome is not InterruptedAnswerOutcome.FAILED

    async def _write_checkpoint(
        self, request: TurnRequest, relayed: RelayedTurn, now: str
    ) -> "CheckpointDecision":
        store = await self._store.open()
        session = await store.load(request.session_id)
        decision = decide_checkpoint(session, request, relayed, now)
        if decision.checkpoint:
            await store.checkpoint(
                request.session_id, decision.checkpoint, expected_length=decision.length
            )
        return decision


class CheckpointDecision(Struct, frozen=True):
    """Whether a checkpoint is written, and with which messages.

    Attributes:
        outcome: once the checkpoint, if any, is written.
        checkpoint: all messages of the turn; they replace its last checkpoint.
        length: of the session that the checkpoint belongs to.
        reason: of a failure.
    """

    outcome: InterruptedAnswerOutcome
    checkpoint: tuple[Message, ...] = ()
    length: int = 0
    reason: str = ""


def decide_checkpoint(
    session: Session | None, request: TurnRequest, relayed: RelayedTurn, now: str
) -> CheckpointDecision:
    """Compare the stored session with what was relayed; `now` is the time of new messages."""
    if session is None:
        return CheckpointDecision(
            InterruptedAnswerOutcome.FAILED, reason="the store does not know the session"
        )
    messages = session.messages
    begun = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    if (
        begun < 0
        or messages[begun].content != _stored_content(request)
        or messages[begun].created_at > now
    ):
        return CheckpointDecision(
            InterruptedAnswerOutcome.FAILED, reason="the session has gone on with another message"
        )
    if any(message.role != "summary" for message in messages[begun + 1 :]):
        # The runtime was unreachable only from here, and has ended the turn itself.
        return CheckpointDecision(InterruptedAnswerOutcome.PRESENT)
    text, stored = relayed.text, _text(session.interrupted)
    if not (text.startswith(stored) or stored.startswith(text)):
        return CheckpointDecision(
            InterruptedAnswerOutcome.FAILED, reason="the store has another answer to the message"
        )
    answer = _Answer(session.interrupted)
    answer.add(relayed, max(text, stored, key=len))
    if not answer.grown and len(text) <= len(stored):
        return CheckpointDecision(InterruptedAnswerOutcome.PRESENT)
    return CheckpointDecision(
        InterruptedAnswerOutcome.STORED, tuple(answer.closed(now)), session.length
    )


class _Round(Struct):
    """One model answer, and the results of its calls by call id."""

    message: Message
    results: dict[str, Message] = {}


class _Answer:
    """The model answers of a turn; begins with those of its last checkpoint.

    Attributes:
        grown: whether `add` has added a call or a result.
    """

    def __init__(self, checkpoint: Sequence[Message]) -> None:
        self.grown = False
        self._rest = ""
        self._rounds: list[_Round] = []
        for message in checkpoint:
            if is_placeholder(message):
                continue
            if message.role == "assistant":
                self._rounds.append(_Round(message, {}))
            elif self._rounds:
                self._rounds[-1].results[message.tool_call_id] = message

    def add(self, relayed: RelayedTurn, text: str) -> None:
        """Add the calls and results that are new; `text` is all text of the turn."""
        known = Multiset(call.id for entry in self._rounds for call in entry.message.tool_calls)
        resolved = Multiset(call_id for entry in self._rounds for call_id in entry.results)
        used = len(_text([entry.message for entry in self._rounds]))
        for before, group in relayed.calls():
            calls = tuple(call for call in group if not _remove(known, call.id))
            if calls:
                end = max(used, before)
                message = Message(
                    "assistant", text[used:end], tool_calls=calls, finish_reason="tool_use"
                )
                self._rounds.append(_Round(message, {}))
                self.grown, used = True, end
        for result in relayed.results:
            message = _message(result)
            if not _remove(resolved, message.tool_call_id):
                self._resolve(message)
        self._rest = text[used:]

    def closed(self, now: str) -> list[Message]:
        """Return the messages in the form in which a runtime stores an interrupted answer."""
        messages: list[Message] = []
        for entry in self._rounds:
            messages.append(entry.message)
            messages += [
                entry.results.get(call.id) or placeholder_result(call)
                for call in entry.message.tool_calls
            ]
        messages.append(Message("assistant", self._rest, finish_reason=INTERRUPTED))
        return [
            message if message.created_at else structs.replace(message, created_at=now)
            for message in messages
        ]

    def _resolve(self, message: Message) -> None:
        for entry in self._rounds:
            called = any(call.id == message.tool_call_id for call in entry.message.tool_calls)
            if called and message.tool_call_id not in entry.results:
                entry.results[message.tool_call_id] = message
                self.grown = True
                return


def _remove(counts: Multiset[str], call_id: str) -> bool:
    """Remove one call; False if there is none left. Some models reuse ids in later answers."""
    counts[call_id] -= 1
    return counts[call_id] >= 0


def _text(messages: Sequence[Message]) -> str:
    return "".join(message.content for message in messages if message.role == "assistant")


def _stored_content(request: TurnRequest) -> str:
    """Return the text of a message as the runtime stores it."""
    if not request.parts:
        return request.content
    return "\n".join(part.text for part in request.parts if part.type == "text")


def _message(result: ToolResultEvent | ClientToolResult) -> Message:
    if isinstance(result, ToolResultEvent):
        return Message(
            "tool",
            result.result.content,
            tool_call_id=result.call_id,
            is_error=result.result.is_error,
        )
    if result.rejection is None:
        return Message("tool", result.result_json or "null", tool_call_id=result.call_id)
    error = orjson.dumps({"error": result.rejection}).decode()
    return Message("tool", error, tool_call_id=result.call_id, is_error=True)
