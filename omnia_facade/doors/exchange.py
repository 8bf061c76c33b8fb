"""The kernel of the doors: what happens between a request and its run."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.env import FacadeEnv
from omnia_facade.backend.events import ClientToolResult, Failed, TurnRequest
from omnia_facade.backend.port import Backend, BackendConnection
from omnia_facade.context import ProcessContext
from omnia_facade.doors.bodies import BodyBudget
from omnia_facade.doors.errors import DRAINING, OVERLOADED, DoorFailed, failure_of
from omnia_facade.doors.port import Answer, DoorRequest, DoorTurn, Reply
from omnia_facade.doors.sessions import SessionRules
from omnia_facade.functions.function import Function
from omnia_facade.idempotency.store import ReplyStore
from omnia_facade.runs.holders import RunHolder
from omnia_facade.runs.reader import Collector
from omnia_facade.runs.records import RunRecord, RunRecords
from omnia_facade.runs.run import Run, RunOptions, RunState
from omnia_facade.runs.table import MAX_WAITING, RunTable

# A request of another pod of the agent is not passed on again.
FORWARDED = "omnia-forwarded"
# How long a new message waits for the end of a parked run that it replaces.
REPLACE_SECONDS = 5.0


class Peers(Protocol):
    """Asks other pods of the agent."""

    async def post(
        self, owner: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> bytes | None:
        """Return the body of the answer of `owner`, a `host:port`; None if it is no success.

        The headers have the caller's credential, and `FORWARDED`.
        """


class Kernel(Struct, frozen=True, kw_only=True):
    """What all doors of a program share.

    Attributes:
        backend: answers turns; None in function mode.
        function: answers calls; None in agent mode.
        records: which pod has a run; None where runs are this pod's only.
        bodies: what the bodies of requests may take.
        replies: digests to bytes, for some time, in the database of the sessions: what a door
            has to remember beyond a run.
        peers: asks the other pods of the agent; None where they do not know of each other.
        public_url: the address of this agent for clients; "" where it is not set.
    """

    context: ProcessContext
    runs: RunTable
    replies: ReplyStore
    backend: Backend | None = None
    sessions: SessionRules | None = None
    function: Function | None = None
    records: RunRecords | None = None
    peers: Peers | None = None
    bodies: BodyBudget = field(default_factory=lambda: BodyBudget(96 << 20))
    public_url: str = ""

    @property
    def env(self) -> FacadeEnv:
        """The environment."""
        return self.context.env


class Elsewhere(Exception):
    """Another pod has the run of a request: the whole request is passed on to it.

    Attributes:
        owner: its `host:port`.
    """

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


class Exchange:
    """One request at a door, and the runs that it begins.

    Attributes:
        request: what the client sent.
        run: the run that the request is about, for the headers of the answer; None before.
    """

    __slots__ = ("_begun", "_door", "_kernel", "request", "run")

    def __init__(self, kernel: Kernel, door: str, request: DoorRequest) -> None:
        self._kernel = kernel
        self._door = door
        self.request = request
        self.run: Run | None = None
        self._begun: list[Run] = []

    async def begin(self, turn: DoorTurn) -> Run:
        """Begin a run for a turn, or return the one that the same message began before.

        Raises:
            DoorFailed: the session does not exist or may not be used, or there are too many runs.
        """
        kernel, caller = self._kernel, self.request.caller
        backend, rules, runs = kernel.backend, kernel.sessions, kernel.runs
        if backend is None or rules is None:
            raise DoorFailed(ErrorCode.INVALID_MESSAGE, "this agent serves a function, no turns")
        session_id = await rules.session_of(turn.session_id, caller, known=turn.known)
        run_id = turn.run_id or uuid.uuid4().hex
        known = await self._of_message(session_id, turn.message_id, run_id)
        if known is not None:
            self.run = known
            return known
        await self._replace_parked(session_id)
        self._require_capacity(session_id, turn)
        request = TurnRequest(
            session_id,
            turn.content,
            turn.parts,
            turn.metadata,
            turn.consent_grants,
            history=turn.history,
            tools=turn.tools,
        )
        connection = kernel.context.tracing.dialogue(
            backend.begin(session_id, caller), self.request.headers, self._door
        )
        before = runs.current(session_id, caller.user_id) if turn.waits else None
        run = self._made(request, connection, turn, run_id)
        if kernel.records:
            # Whoever has seen anything of the run can ask another pod for it. Nothing of it is
            # there before its door has it: the door would miss what comes while it waits.
            try:
                await kernel.records.recorded(run)
            except BaseException:
                run.cancel()
                raise
        if not run.state.final:
            run.start(before)
        return run

    async def begin_call(self, connection: BackendConnection, content: str) -> Run:
        """Begin a run that is no turn of a session: its one answer is that of `connection`.

        Raises:
            DoorFailed: there are too many runs.
        """
        turn = DoorTurn(content=content)
        self._require_capacity("", turn)
        run = self._made(TurnRequest("", content), connection, turn, uuid.uuid4().hex)
        run.start()
        return run

    def _made(
        self, request: TurnRequest, connection: BackendConnection, turn: DoorTurn, run_id: str
    ) -> Run:
        kernel, env = self._kernel, self._kernel.env
        run = Run(
            run_id,
            request,
            connection,
            RunOptions(
                keep=turn.keep,
                client_tools=turn.client_tools,
                waits=turn.waits,
                listed=turn.listed,
                log_bytes=env.run_log.count,
                client_tool_seconds=env.client_tool_timeout.seconds,
            ),
            user_id=self.request.caller.user_id,
            door=self._door,
            budget=kernel.runs.budget,
        )
        run.message_id = turn.message_id
        run.watch(_RunWatch(kernel, turn.kept_seconds).changed)
        kernel.context.metrics.doors.run_changed("", run.state)
        kernel.runs.add(run)
        if kernel.records and (turn.keep or turn.client_tools):
            kept = env.run_kept.seconds if turn.kept_seconds is None else turn.kept_seconds
            kernel.records.begin(run, kept)
        self.run = run
        self._begun.append(run)
        return run

    async def find(self, run_id: str) -> Run | None:
        """Return a run of the caller by its id; None if it is unknown or somebody else's.

        Raises:
            Elsewhere: another pod has it; the door lets it pass.
        """
        user_id = self.request.caller.user_id
        run = self._kernel.runs.find(run_id, user_id)
        if run is None and self._kernel.records:
            self._pass_on(await self._kernel.records.of_run(run_id, user_id))
        self.run = run or self.run
        return run

    async def record(self, run_id: str) -> RunRecord | None:
        """Return the record of a run of the caller whose pod has ended; see `RunRecord.lost`."""
        if self._kernel.records is None:
            return None
        return await self._kernel.records.of_run(run_id, self.request.caller.user_id)

    async def holders(self) -> Sequence[RunHolder]:
        """Return the other pods that have listed runs of the caller; none if one asks this."""
        if self._kernel.records is None or FORWARDED in self.request.headers:
            return ()
        return await self._kernel.records.holders(self.request.caller.user_id)

    async def ask(
        self, owner: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> bytes | None:
        """Send a request for the caller to another pod; None if it does not answer with success."""
        if self._kernel.peers is None:
            return None
        given = {**self.request.headers, **headers, FORWARDED: "1"}
        return await self._kernel.peers.post(owner, path, given, body)

    async def current(self, session_id: str) -> Run | None:
        """Return the run of a session that has not ended, if the caller has one.

        Raises:
            Elsewhere: another pod has it; the door lets it pass.
        """
        user_id = self.request.caller.user_id
        run = self._kernel.runs.current(session_id, user_id)
        if run is None and self._kernel.records:
            record = await self._kernel.records.of_session(session_id, user_id)
            if record and not record.state.final:
                self._pass_on(record)
        self.run = run or self.run
        return run

    async def resume(self, session_id: str, results: Sequence[ClientToolResult]) -> Run | None:
        """Pass the client's results of tool calls to the run that waits for them.

        Stream it from `run.position`: what was said before is with the client.

        Returns:
            The run; None if no run of this session and caller waits for one of the calls.

        Raises:
            Elsewhere: another pod has it; the door lets it pass.
        """
        for run in self._kernel.runs.of_session(session_id, self.request.caller.user_id):
            if not run.state.final and run.answer(results):
                self.run = run
                self._begun.append(run)
                return run
        await self.current(session_id)
        return None

    async def collect(self, run: Run, start: int = 0) -> Collector:
        """Read a run to its end, or until it waits for the client.

        Raises:
            DoorFailed: the turn failed.
        """
        collector = Collector()
        await run.follow(collector, start)
        if isinstance(collector.outcome, Failed):
            begun = bool(collector.texts or collector.events)
            raise failure_of(collector.outcome, begun=begun)
        return collector

    def began(self, run: Run) -> bool:
        """Whether this request began the run, or goes on with it."""
        return run in self._begun

    def abandon(self) -> None:
        """Called when the client has disconnected: end the runs that do not go on without it."""
        for run in self._begun:
            if not run.options.keep and run.state is not RunState.WAITING:
                run.cancel()

    async def _of_message(self, session_id: str, message_id: str, run_id: str) -> Run | None:
        """Return the run that the same message began; one that failed does not count."""
        if not message_id:
            return None
        user_id, records = self.request.caller.user_id, self._kernel.records
        for run in self._kernel.runs.of_session(session_id, user_id):
            if run.message_id == message_id and run.state is not RunState.FAILED:
                return run
        if records:
            known = await records.run_of_message(session_id, user_id, message_id, run_id)
            if known != run_id:
                record = await records.of_run(known, user_id)
                if record and record.state is not RunState.FAILED:
                    self._pass_on(record)
        return None

    def _pass_on(self, record: RunRecord | None) -> None:
        """Have the request passed on to the pod that has the run, unless that pod is gone."""
        if record and not record.lost and FORWARDED not in self.request.headers:
            raise Elsewhere(record.owner)

    def _require_capacity(self, session_id: str, turn: DoorTurn) -> None:
        runs = self._kernel.runs
        if runs.draining:
            raise DoorFailed(DRAINING, "this server is shutting down; try again")
        if runs.full:
            raise DoorFailed(OVERLOADED, "this server has reached its limit of runs; try again")
        if turn.waits:
            of_session = runs.of_session(session_id, self.request.caller.user_id)
            waiting = sum(not run.state.final for run in of_session)
            if waiting > MAX_WAITING:
                message = f"{MAX_WAITING} messages of this session wait already; try again later"
                raise DoorFailed(ErrorCode.RATE_LIMITED, message)

    async def _replace_parked(self, session_id: str) -> None:
        """End a run that waits for the client: the user has gone on with another message."""
        run = self._kernel.runs.current(session_id, self.request.caller.user_id)
        if run is not None and run.state is RunState.WAITING:
            run.cancel()
            try:
                async with asyncio.timeout(REPLACE_SECONDS):
                    await run.ended()
            except TimeoutError:
                return


class _RunWatch:
    """Counts a run, and removes it from the table when it has ended."""

    def __init__(self, kernel: Kernel, kept_seconds: float | None) -> None:
        self._kernel = kernel
        self._kept_seconds = kept_seconds
        self._state: str = RunState.SUBMITTED
        self._began = time.perf_counter()
        kernel.context.metrics.requests_inflight.inc()

    def changed(self, run: Run) -> None:
        metrics = self._kernel.context.metrics
        metrics.doors.run_changed(self._state, run.state)
        self._state = run.state
        if run.state.final:
            metrics.requests_inflight.dec()
            metrics.request_ended(
                str(self._kernel.env.handler_mode),
                time.perf_counter() - self._began,
                success=run.state is not RunState.FAILED,
                variant=run.variant,
            )
            self._kernel.runs.ended(run, self._kept_seconds)


class Door(Protocol):
    """A protocol at its paths."""

    async def answer(self, exchange: Exchange) -> Answer:
        """Answer a request. Cancelled when the client disconnects.

        Raises:
            DoorFailed: the request is answered with `refusal`.
        """

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:
        """Return the response for a failure. `request.body` is empty if it was not read.

        The kernel adds `failed.headers`, such as Retry-After and WWW-Authenticate.
        """
