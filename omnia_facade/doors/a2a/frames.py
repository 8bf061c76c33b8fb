"""The events of a run as a stream of A2A: one artifact for the text, and the states."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import TypeAlias

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


class TaskFrames:
    """Writes the stream of a task from its present state on.

    The snapshot is taken when this is made: the caller reads the run's position at once.
    """

    def __init__(
        self,
        run: Run,
        wrap: Wrap,
        *,
        history_length: int | None = None,
        show_tools: bool = False,
    ) -> None:
        self._run = run
        self._wrap = wrap
        self._show_tools = show_tools
        task = task_of(run, history_length)
        self._task = document(task)
        self._working = task.status.state is not TaskState.SUBMITTED
        self._begun = any(artifact.artifact_id == ANSWER for artifact in task.artifacts)
        self._piece: TextEvent | None = None
        self._media: set[str] = set()

    def open(self) -> str:
        return event(self._wrap({"task": self._task}))

    def text(self, text: str) -> str:
        if self._piece is not None:
            return self._piece(text)
        first = "" if self._begun else self._answer(text, append=False)
        self._piece = self._template()
        began = self._begin()
        if not self._begun:
            self._begun = True
            return began + first
        return began + self._piece(text)

    def event(self, event: TurnEvent) -> str:
        if isinstance(event, MediaChunk):
            return self._begin() + self._media_chunk(event)
        if not self._show_tools:
            return ""
        if isinstance(event, ToolCallEvent) and not event.by_client:
            return self._tool(call_part(event))
        if isinstance(event, ToolResultEvent):
            return self._tool(result_part(event))
        return ""

    def park(self, calls: Sequence[ToolCallEvent]) -> str:  # noqa: ARG002 - the run has them
        return self._begin() + self._status(status_of(self._run))

    def end(self, outcome: Done | Failed) -> str:
        ends = self._begin() if isinstance(outcome, Done) else ""
        if self._begun:
            ends += self._answer("", append=True, last=True)
        if isinstance(outcome, Done):
            for artifact in media_artifacts(outcome.parts):
                if artifact.artifact_id not in self._media:
                    ends += self._artifact(artifact, last=True)
        return ends + self._status(status_of(self._run), usage_metadata(outcome))

    def _begin(self) -> str:
        """Return the change to WORKING, once."""
        if self._working:
            return ""
        self._working = True
        return self._status(
            TaskStatus(state=TaskState.WORKING, timestamp=timestamp(self._run.updated_at))
        )

    def _tool(self, part: Part) -> str:
        began = self._begin()
        message = agent_message(self._run, (part,), part.data)
        now = timestamp(self._run.updated_at)
        status = TaskStatus(state=TaskState.WORKING, timestamp=now, message=message)
        return began + self._status(status)

    def _media_chunk(self, chunk: MediaChunk) -> str:
        name = f"media-{chunk.media_id}"
        append = name in self._media
        self._media.add(name)
        part = Part(raw=b64encode(chunk.data).decode(), media_type=chunk.mime_type)
        return self._artifact(
            Artifact(artifact_id=name, parts=(part,)), append=append, last=chunk.is_last
        )

    def _status(self, status: TaskStatus, metadata: JsonObject | None = None) -> str:
        update = StatusUpdate(
            task_id=self._run.id,
            context_id=self._run.session_id,
            status=status,
            metadata=metadata,
        )
        return self._event(StreamResponse(status_update=update))

    def _answer(self, text: str, *, append: bool, last: bool = False) -> str:
        artifact = Artifact(artifact_id=ANSWER, parts=(Part(text=text),))
        return self._artifact(artifact, append=append, last=last)

    def _artifact(self, artifact: Artifact, *, append: bool = False, last: bool = False) -> str:
        update = ArtifactUpdate(
            task_id=self._run.id,
            context_id=self._run.session_id,
            artifact=artifact,
            append=append,
            last_chunk=last,
        )
        return self._event(StreamResponse(artifact_update=update))

    def _template(self) -> TextEvent:
        """Make the frame of a further piece once: nothing is built for a piece but its text."""
        frame = self._answer(_PLACE, append=True)
        before, _, after = frame.partition(json_text(_PLACE))
        return TextEvent(before.removeprefix("data: "), after.removesuffix("\n\n"))

    def _event(self, response: StreamResponse) -> str:
        return event(self._wrap(document(response)))
