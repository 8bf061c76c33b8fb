"""The operations of A2A on the runs of this agent."""

import asyncio
import uuid

from omnia_core.cards.card import JSONRPC_PATH
from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.backend.events import Failed
from omnia_facade.doors.a2a.cards import AgentCards
from omnia_facade.doors.a2a.errors import A2aError, Reason, task_not_found
from omnia_facade.doors.a2a.listing import (
    list_tasks,
    listed_record,
    listed_run,
    merged,
    page_of_answer,
)
from omnia_facade.doors.a2a.messages import (
    ListTasksRequest,
    Message,
    PushConfig,
    PushConfigRequest,
    SendMessageRequest,
    TaskRequest,
    decode,
    document,
)
from omnia_facade.doors.a2a.operations import A2aCall, Operation
from omnia_facade.doors.a2a.parts import turn_parts
from omnia_facade.doors.a2a.push import PushNotifications
from omnia_facade.doors.a2a.rest import JSON
from omnia_facade.doors.a2a.tasks import lost_task, note_of, task_of, tool_results
from omnia_facade.doors.a2a.versions import HEADER, V10
from omnia_facade.doors.errors import DoorFailed
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.port import DoorTurn
from omnia_facade.runs.reader import Collector
from omnia_facade.runs.records import RunRecord
from omnia_facade.runs.run import Run, RunState

DOOR = "a2a"
# How long CancelTask waits for the turn to end.
_CANCEL_SECONDS = 10.0
_UNKNOWN_SESSION = (ErrorCode.SESSION_EXPIRED, ErrorCode.SESSION_NOT_FOUND)


class TaskService:
    """Answers calls, whatever their binding and version."""

    def __init__(self, kernel: Kernel, cards: AgentCards, push: PushNotifications) -> None:
        self._kernel = kernel
        self._cards = cards
        self._push = push

    async def result(self, exchange: Exchange, call: A2aCall) -> JsonObject:
        """Return the result of an operation that does not stream, in the form of 1.0.

        Raises:
            A2aError: the operation is refused.
            DoorFailed: the kernel refuses it.
        """
        match call.operation:
            case Operation.SEND:
                return await self._send(exchange, decode(call.params, SendMessageRequest))
            case Operation.GET:
                return await self._get(exchange, decode(call.params, TaskRequest))
            case Operation.LIST:
                return await self._list(exchange, call)
            case Operation.CANCEL:
                run = await self._find(exchange, decode(call.params, TaskRequest).id)
                return document(task_of(await _cancelled(run)))
            case Operation.EXTENDED_CARD:
                if not self._cards.has_extended:
                    raise A2aError(
                        Reason.UNSUPPORTED_OPERATION, "this agent has no extended agent card"
                    )
                return self._cards.card(exchange.request, extended=True)
            case _:
                return await self._push_config(exchange, call)

    async def stream(self, exchange: Exchange, call: A2aCall) -> tuple[Run, int | None]:
        """Return the run to stream from now on, and how much of its history to show.

        Raises:
            A2aError, DoorFailed: as `result`.
        """
        if call.operation is Operation.STREAM:
            request = decode(call.params, SendMessageRequest)
            run = await self._accept(exchange, request)
            return run, request.configuration.history_length
        run = await self._find(exchange, decode(call.params, TaskRequest).id)
        if run.state.final:
            raise A2aError(
                Reason.UNSUPPORTED_OPERATION,
                "the task has ended; read it with GetTask",
                task_id=run.id,
            )
        return run, None

    async def _list(self, exchange: Exchange, call: A2aCall) -> JsonObject:
        """Return the tasks of all pods: each has its own, and a pod that is gone its records."""
        request = decode(call.params, ListTasksRequest)
        runs = self._kernel.runs.of_user(exchange.request.caller.user_id)
        own = [listed_run(run, request) for run in runs if run.door == DOOR]
        holders = await exchange.holders()
        body = json_bytes(
            {"jsonrpc": "2.0", "id": 1, "method": call.operation.value, "params": call.params}
        )
        headers = {"content-type": JSON, HEADER.lower(): V10, "accept": JSON}
        answers = await asyncio.gather(
            *(exchange.ask(holder.owner, JSONRPC_PATH, headers, body) for holder in holders)
        )
        pages: list[JsonObject] = []
        for holder, answer in zip(holders, answers, strict=True):
            page = page_of_answer(answer)
            if page is not None:
                pages.append(page)
            else:
                records = [await exchange.record(run_id) for run_id in holder.run_ids]
                own += [listed_record(r) for r in records if r and r.lost and r.door == DOOR]
        return merged([list_tasks(own, request), *pages], request)

    async def _get(self, exchange: Exchange, request: TaskRequest) -> JsonObject:
        run = await exchange.find(request.id)
        if run is None:
            record = await exchange.record(request.id)
            if record is not None and record.door == DOOR and record.lost:
                return document(lost_task(record, await self._said(exchange, record)))
        return document(task_of(_of_this_door(run, request.id), request.history_length))

    async def _said(self, exchange: Exchange, record: RunRecord) -> str:
        """Return what a turn that broke off has said, as its session keeps it."""
        sessions = self._kernel.sessions
        if sessions is None:
            return ""
        try:
            session = await sessions.said(record.session_id, exchange.request.caller)
        except DoorFailed:
            return ""
        said: list[str] = []
        for message in (*session.messages, *session.interrupted):
            if message.role == "user":
                said.clear()
            elif message.role == "assistant":
                said.append(message.content)
        return "".join(said)

    async def _send(self, exchange: Exchange, request: SendMessageRequest) -> JsonObject:
        run = await self._accept(exchange, request)
        if not request.configuration.return_immediately:
            await run.follow(Collector(), run.position)
            _refuse_unknown_context(run)
        return {"task": document(task_of(run, request.configuration.history_length))}

    async def _accept(self, exchange: Exchange, request: SendMessageRequest) -> Run:
        """Begin a task with a message, or go on with the one that it names."""
        message = request.message
        if message.role != "ROLE_USER":
            raise A2aError(
                Reason.INVALID_PARAMS, "the role must be ROLE_USER", field="message.role"
            )
        config = request.configuration.task_push_notification_config
        if config is not None:
            self._push.check(config)
        if message.task_id:
            run = await self._continued(exchange, message)
        else:
            run = await self._begun(exchange, message)
        if config is not None:
            self._push.add(run, config)
        return run

    async def _begun(self, exchange: Exchange, message: Message) -> Run:
        parts = turn_parts(message.parts, self._kernel.public_url)
        metadata = message.metadata or {}
        run = await exchange.begin(
            DoorTurn(
                session_id=message.context_id,
                parts=parts,
                metadata={
                    name: value if isinstance(value, str) else json_bytes(value).decode()
                    for name, value in metadata.items()
                },
                run_id=str(uuid.uuid4()),
                keep=True,
                kept_seconds=self._kernel.env.task_ttl.seconds,
                client_tools=True,
                listed=True,
                waits=True,
                message_id=message.message_id,
            )
        )
        note = note_of(run)
        if not note.messages:
            note.add(message, run)
        return run

    async def _continued(self, exchange: Exchange, message: Message) -> Run:
        run = await self._find(exchange, message.task_id)
        if message.context_id and message.context_id != run.session_id:
            raise A2aError(
                Reason.INVALID_PARAMS,
                "contextId is not that of the task; leave it out",
                field="message.contextId",
            )
        if run.state is not RunState.WAITING:
            problem = "has ended" if run.state.final else "does not wait for a message"
            raise A2aError(
                Reason.UNSUPPORTED_OPERATION,
                f"the task {problem}; send the message without taskId",
                task_id=run.id,
            )
        results = tool_results(run, message)
        if await exchange.resume(run.session_id, results) is None:
            raise A2aError(
                Reason.INVALID_PARAMS,
                "no tool_result answers a call that the task waits for",
                field="message.parts",
            )
        note_of(run).add(message, run)
        return run

    async def _push_config(self, exchange: Exchange, call: A2aCall) -> JsonObject:
        self._push.require_enabled()
        if call.operation is Operation.PUSH_CREATE:
            config = decode(call.params, PushConfig)
            run = await self._find(exchange, config.task_id)
            return document(self._push.add(run, config))
        request = decode(call.params, PushConfigRequest)
        run = await self._find(exchange, request.task_id)
        configs = note_of(run).push
        if call.operation is Operation.PUSH_LIST:
            listed = [document(config) for config in configs.values()]
            return {"configs": listed, "nextPageToken": ""}
        # 0.3 may leave out the id where there is one configuration.
        name = request.id or (next(iter(configs), "") if call.legacy else "")
        if name not in configs and call.operation is Operation.PUSH_GET:
            raise A2aError(
                Reason.TASK_NOT_FOUND,
                "the task has no such push notification configuration",
                task_id=run.id,
            )
        if call.operation is Operation.PUSH_GET:
            return document(configs[name])
        configs.pop(name, None)
        return {}

    async def _find(self, exchange: Exchange, task_id: str) -> Run:
        return _of_this_door(await exchange.find(task_id), task_id)


def _of_this_door(run: Run | None, task_id: str) -> Run:
    if run is None or run.door != DOOR:
        raise task_not_found(task_id)
    return run


def _refuse_unknown_context(run: Run) -> None:
    """Refuse a message to a context that has expired, or is somebody else's: nothing was begun.

    Raises:
        A2aError: INVALID_PARAMS.
    """
    outcome = run.outcome
    if isinstance(outcome, Failed) and outcome.code in _UNKNOWN_SESSION:
        raise A2aError(
            Reason.INVALID_PARAMS,
            "the context is unknown or has expired; send the message without contextId",
            field="message.contextId",
        )


async def _cancelled(run: Run) -> Run:
    if run.state.final:
        raise A2aError(Reason.TASK_NOT_CANCELABLE, "the task has ended", task_id=run.id)
    run.cancel()
    try:
        async with asyncio.timeout(_CANCEL_SECONDS):
            await run.ended()
    except TimeoutError:
        pass
    return run
