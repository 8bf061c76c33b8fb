"""The events of a run as a stream of A2A: one artifact for the text, and the states."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import AnyStr, Generic, Protocol, TypeAlias

from omnia_core.jsonvalue import JsonObject
from omnia_facade.backend.events import (
    Done,
    Failed,
    MediaChunk,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
)
from omnia_facade.doors.a2a.messages import (
    Artifact,
    ArtifactUpdate,
    Part,
    StatusUpdate,
    StreamResponse,
    TaskState,
    TaskStatus,
    document,
    timestamp,
)
from omnia_facade.doors.a2a.tasks import (
    ANSWER,
    agent_message,
    call_part,
    media_artifacts,
    result_part,
    status_of,
    task_of,
    usage_metadata,
)
from omnia_facade.doors.sse import TextEvent, event, json_text
from omnia_facade.runs.run import Run

Wrap: TypeAlias = Callable[[JsonObject], JsonObject]
"""Makes the data of an event from a `StreamResponse`, for a binding and a version."""

# Stands for the text of a piece in the frame that is made once. It needs no escapes in JSON.
_PLACE = "a0c1f0ce-6f1e-4c52-9d0b-text-of-a-piece"


class EventWriter(Protocol[AnyStr]):
    """Writes `StreamResponse` in the form of a binding. What it returns can be joined.

    Attributes:
        nothing: joined to anything, changes nothing.
    """

    nothing: AnyStr

    def event(self, response: JsonObject) -> AnyStr:
        """Return a response."""

    def pieces(self, response: JsonObject) -> Callable[[str], AnyStr]:
        """Return what writes this artifact update with another text in its one part."""


class SseWriter:
    """Writes server-sent events."""

    nothing = ""

    def __init__(self, wrap: Wrap) -> None:
        self._wrap = wrap

    def event(self, response: JsonObject) -> str:
        return event(self._wrap(response))

    def pieces(self, response: JsonObject) -> Callable[[str], str]:
        response["artifactUpdate"]["artifact"]["parts"][0]["text"] = _PLACE
        before, _, after = self.event(response).partition(json_text(_PLACE))
        return TextEvent(before.removeprefix("data: "), after.removesuffix("\n\n"))


class TaskFrames(Generic[AnyStr]):
    """Writes the stream of a task from its present state on.

    The snapshot is taken when this is made: the caller reads the run's position at once.
    """

    def __init__(
        self,
        run: Run,
        writer: EventWriter[AnyStr],
        *,
        show_tools: bool,
        history_length: int | None = None,
    ) -> None:
        self._run = run
        self._writer: EventWriter[AnyStr] = writer
        self._show_tools = show_tools
        task = task_of(run, history_length)
        self._task = document(task)
        self._working = task.status.state is not TaskState.SUBMITTED
        self._begun = any(artifact.artifact_id == ANSWER for artifact in task.artifacts)
        self._piece: Callable[[str], AnyStr] | None = None
        self._media: set[str] = set()

    def open(self) -> AnyStr:
        return self._writer.event({"task": self._task})

    def text(self, text: str) -> AnyStr:
        if self._piece is not None:
            return self._piece(text)
        nothing = self._writer.nothing
        first = nothing if self._begun else self._answer(text, append=False)
        self._piece = self._writer.pieces(self._answer_update("", append=True))
        began = self._begin()
        if not self._begun:
            self._begun = True
            return began + first
        return began + self._piece(text)

    def event(self, event: TurnEvent) -> AnyStr:
        if isinstance(event, MediaChunk):
            return self._begin() + self._media_chunk(event)
        if not self._show_tools:
            return self._writer.nothing
        if isinstance(event, ToolCallEvent) and not event.by_client:
            return self._tool(call_part(event))
        if isinstance(event, ToolResultEvent):
            return self._tool(result_part(event))
        return self._writer.nothing

    def park(self, calls: Sequence[ToolCallEvent]) -> AnyStr:  # noqa: ARG002 - the run has them
        return self._begin() + self._status(status_of(self._run))

    def end(self, outcome: Done | Failed) -> AnyStr:
        ends = self._begin() if isinstance(outcome, Done) else self._writer.nothing
        if self._begun:
            ends += self._answer("", append=True, last=True)
        if isinstance(outcome, Done):
            for artifact in media_artifacts(outcome.parts):
                if artifact.artifact_id not in self._media:
                    ends += self._artifact(artifact, last=True)
        return ends + self._status(status_of(self._run), usage_metadata(outcome))

    def _begin(self) -> AnyStr:
        """Return the change to WORKING, once."""
        if self._working:
            return self._writer.nothing
        self._working = True
        return self._status(
            TaskStatus(state=TaskState.WORKING, timestamp=timestamp(self._run.updated_at))
        )

    def _tool(self, part: Part) -> AnyStr:
        began = self._begin()
        message = agent_message(self._run, (part,), part.data)
        now = timestamp(self._run.updated_at)
        status = TaskStatus(state=TaskState.WORKING, timestamp=now, message=message)
        return began + self._status(status)

    def _media_chunk(self, chunk: MediaChunk) -> AnyStr:
        name = f"media-{chunk.media_id}"
        append = name in self._media
        self._media.add(name)
        part = Part(raw=b64encode(chunk.data).decode(), media_type=chunk.mime_type)
        return self._artifact(
            Artifact(artifact_id=name, parts=(part,)), append=append, last=chunk.is_last
        )

    def _status(self, status: TaskStatus, metadata: JsonObject | None = None) -> AnyStr:
        update = StatusUpdate(
            task_id=self._run.id,
            context_id=self._run.session_id,
            status=status,
            metadata=metadata,
        )
        return self._writer.event(document(StreamResponse(status_update=update)))

    def _answer(self, text: str, *, append: bool, last: bool = False) -> AnyStr:
        return self._writer.event(self._answer_update(text, append=append, last=last))

    def _answer_update(self, text: str, *, append: bool, last: bool = False) -> JsonObject:
        artifact = Artifact(artifact_id=ANSWER, parts=(Part(text=text),))
        return self._update(artifact, append=append, last=last)

    def _artifact(self, artifact: Artifact, *, append: bool = False, last: bool = False) -> AnyStr:
        return self._writer.event(self._update(artifact, append=append, last=last))

    def _update(self, artifact: Artifact, *, append: bool, last: bool) -> JsonObject:
        update = ArtifactUpdate(
            task_id=self._run.id,
            context_id=self._run.session_id,
            artifact=artifact,
            append=append,
            last_chunk=last,
        )
        return document(StreamResponse(artifact_update=update))
