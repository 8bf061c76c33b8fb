"""A task is a run: its state, its results and its messages as A2A shows them."""

import uuid
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from omnia_core.cards.card import TOOLS_EXTENSION, USAGE_EXTENSION
from omnia_core.conversation.parts import Part as TurnPart
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.backend.events import (
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    ToolResultEvent,
)
from omnia_facade.doors.a2a.messages import (
    Artifact,
    Message,
    Part,
    PushConfig,
    Task,
    TaskState,
    TaskStatus,
    timestamp,
)
from omnia_facade.doors.a2a.parts import media_parts
from omnia_facade.doors.sse import any_json
from omnia_facade.doors.usage import omnia_usage
from omnia_facade.runs.records import RunRecord
from omnia_facade.runs.run import Run, RunState

ANSWER = "answer"
MAX_HISTORY = 100
_STATES = {
    RunState.SUBMITTED: TaskState.SUBMITTED,
    RunState.WORKING: TaskState.WORKING,
    RunState.WAITING: TaskState.INPUT_REQUIRED,
    RunState.COMPLETED: TaskState.COMPLETED,
    RunState.FAILED: TaskState.FAILED,
    RunState.CANCELED: TaskState.CANCELED,
}


class TaskNote:
    """The values of this door that are stored with a run.

    Attributes:
        messages: of the client, the newest last.
        push: where changes are sent, by the id of the configuration.
    """

    __slots__ = ("messages", "push")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.push: dict[str, PushConfig] = {}

    def add(self, message: Message, run: Run) -> None:
        """Remember a message of the client, with the ids that it belongs to."""
        message = replace(message, task_id=run.id, context_id=run.session_id)
        self.messages = [*self.messages, message][-MAX_HISTORY:]


def note_of(run: Run) -> TaskNote:
    """Return the note of a run; a run that another door began gets an empty one."""
    if not isinstance(run.note, TaskNote):
        run.note = TaskNote()
    return run.note


def state_of(run: Run) -> TaskState:
    """Return the state of the task: an agent that refuses to answer has rejected it."""
    outcome = run.outcome
    if isinstance(outcome, Done) and outcome.finish_reason == "refusal":
        return TaskState.REJECTED
    return _STATES[run.state]


def status_of(run: Run) -> TaskStatus:
    """Return the status, with the calls that the client has to answer, or why the task failed."""
    parts: tuple[Part, ...] = ()
    if isinstance(run.outcome, Failed):
        parts = (Part(text=run.outcome.message),)
    elif run.state is RunState.WAITING:
        parts = tuple(call_part(call) for call in run.pending)
    message = agent_message(run, parts) if parts else None
    return TaskStatus(state=state_of(run), timestamp=timestamp(run.updated_at), message=message)


def task_of(run: Run, history_length: int | None = None, *, artifacts: bool = True) -> Task:
    """Return the task as it is now; a history length of None means all messages."""
    history = note_of(run).messages
    if history_length is not None:
        history = history[-history_length:] if history_length else []
    return Task(
        id=run.id,
        context_id=run.session_id,
        status=status_of(run),
        artifacts=artifacts_of(run) if artifacts else (),
        history=tuple(history),
        metadata=usage_metadata(run.outcome),
    )


def lost_task(record: RunRecord, said: str) -> Task:
    """Return a task whose pod has ended: it has failed, with the text until then."""
    text = "interrupted: the server ended during the answer; send the message again"
    message = Message(
        message_id=str(uuid.uuid5(uuid.NAMESPACE_OID, record.run_id)),
        role="ROLE_AGENT",
        parts=(Part(text=text),),
        context_id=record.session_id,
        task_id=record.run_id,
    )
    failed = TaskStatus(
        state=TaskState.FAILED, timestamp=timestamp(record.alive_until), message=message
    )
    artifacts = (Artifact(artifact_id=ANSWER, parts=(Part(text=said),)),) if said else ()
    return Task(id=record.run_id, context_id=record.session_id, status=failed, artifacts=artifacts)


def artifacts_of(run: Run) -> tuple[Artifact, ...]:
    """Return the results so far: the text of the answer, and its media."""
    text = run.text
    answer = (Artifact(artifact_id=ANSWER, parts=(Part(text=text),)),) if text else ()
    done = run.outcome.parts if isinstance(run.outcome, Done) else ()
    return (*answer, *media_artifacts(done))


def media_artifacts(parts: Sequence[TurnPart]) -> tuple[Artifact, ...]:
    """Return the media of an answer, each as a result of its own."""
    found = [media_parts(part.media) for part in parts if part.media]
    return tuple(
        Artifact(artifact_id=f"media-{number}", parts=contents)
        for number, contents in enumerate(filter(None, found), 1)
    )


def usage_metadata(outcome: Done | Failed | None) -> JsonObject | None:
    """Return what a task says about its cost, and about an answer that was cut."""
    if not isinstance(outcome, Done):
        return None
    usage: Usage | None = outcome.usage
    metadata: JsonObject = {}
    if usage:
        metadata[USAGE_EXTENSION] = omnia_usage(usage)
    if outcome.finish_reason not in ("stop", "cancelled", "refusal"):
        metadata["finishReason"] = outcome.finish_reason
    return metadata or None


def call_part(event: ToolCallEvent) -> Part:
    """Return the part that asks the client to execute a tool."""
    call = event.call
    content: JsonObject = {
        "tool_call": {"id": call.id, "name": call.name, "arguments": any_json(call.arguments)}
    }
    return Part(
        data=content,
        media_type="application/json",
        metadata={"extension": TOOLS_EXTENSION},
    )


def result_part(event: ToolResultEvent) -> Part:
    """Return the part that shows the result of a tool."""
    result = event.result
    content: JsonObject = {
        "tool_result": {
            "id": event.call_id,
            "result": any_json(result.content),
            **({"is_error": True} if result.is_error else {}),
        }
    }
    return Part(
        data=content,
        media_type="application/json",
        metadata={"extension": TOOLS_EXTENSION},
    )


def tool_results(run: Run, message: Message) -> list[ClientToolResult]:
    """Return the client's answers to the calls that a task waits for.

    A data part `{"tool_result": {"id", "result"}}`, or with `error`, answers one call. A message
    without such a part answers all of them.
    """
    results = [
        result
        for part in message.parts
        if part.data is not UNSET and (result := _tool_result(part.data))
    ]
    if results:
        return results
    answer = _content(message)
    return [ClientToolResult(event.call.id, result_json=answer) for event in run.pending]


def _content(message: Message) -> str:
    """Return the content of a message as JSON text: its text, or its first data."""
    texts = [part.text for part in message.parts if part.text is not None]
    if texts:
        return json_bytes("".join(texts)).decode()
    data = [part.data for part in message.parts if part.data is not UNSET]
    return json_bytes(data[0] if data else None).decode()


def _tool_result(data: Any) -> ClientToolResult | None:
    result = data.get("tool_result") if isinstance(data, dict) else None
    if not isinstance(result, dict) or not isinstance(result.get("id"), str):
        return None
    if isinstance(error := result.get("error"), str):
        return ClientToolResult(result["id"], rejection=error)
    return ClientToolResult(result["id"], result_json=json_bytes(result.get("result")).decode())


def agent_message(run: Run, parts: tuple[Part, ...], about: object = None) -> Message:
    """Return a message of the agent. The same status has the same one, however often it is read."""
    name = f"{run.id}/{run.state}/{run.updated_at}/{about}"
    return Message(
        message_id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        role="ROLE_AGENT",
        parts=parts,
        context_id=run.session_id,
        task_id=run.id,
    )
