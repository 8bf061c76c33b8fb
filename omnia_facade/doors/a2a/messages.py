"""The messages of A2A 1.0 (`lf.a2a.v1`) in ProtoJSON.

What a client sends may have the camelCase or the proto names, null for what it leaves out, and
members that are unknown here: they are not kept.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct

from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.a2a.errors import A2aError, Reason

# The values of these members are the client's own: their keys are not names of fields.
_OPAQUE = frozenset({"metadata", "data", "params", "header"})
_PATH = re.compile(r" - at `\$\.?(.*)`$")

Text = Annotated[str, Meta(min_length=1)]
MAX_PAGE = 100
DEFAULT_PAGE = 50


class TaskState(StrEnum):
    """The state of a task."""

    SUBMITTED = "TASK_STATE_SUBMITTED"
    WORKING = "TASK_STATE_WORKING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    CANCELED = "TASK_STATE_CANCELED"
    INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"
    REJECTED = "TASK_STATE_REJECTED"
    AUTH_REQUIRED = "TASK_STATE_AUTH_REQUIRED"

    @property
    def terminal(self) -> bool:
        """Whether the task has ended."""
        return self in _TERMINAL

    @property
    def interrupted(self) -> bool:
        """Whether the task waits for the client."""
        return self in (TaskState.INPUT_REQUIRED, TaskState.AUTH_REQUIRED)


_TERMINAL = frozenset(
    {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED, TaskState.REJECTED}
)


class _Message(Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """What every message of the protocol has: camelCase names, and no members with defaults."""


class Part(_Message, frozen=True):
    """A piece of content: exactly one of `text`, `raw` (base64), `url` and `data` is set."""

    text: str | None = None
    raw: str | None = None
    url: str | None = None
    data: Any = UNSET
    media_type: str = ""
    filename: str = ""
    metadata: JsonObject | None = None

    def __post_init__(self) -> None:
        contents = (self.text, self.raw, self.url)
        if sum(content is not None for content in contents) + (self.data is not UNSET) != 1:
            raise ValueError("a part has exactly one of text, raw, url and data")


class Message(_Message, frozen=True):
    """A message of the user or of the agent."""

    message_id: Text
    role: Literal["ROLE_USER", "ROLE_AGENT"]
    parts: Annotated[tuple[Part, ...], Meta(min_length=1)]
    context_id: str = ""
    task_id: str = ""
    metadata: JsonObject | None = None
    extensions: tuple[str, ...] = ()
    reference_task_ids: tuple[str, ...] = ()


class TaskStatus(_Message, frozen=True):
    """The state of a task, since when, and what the agent says about it."""

    state: TaskState
    timestamp: str
    message: Message | None = None


class Artifact(_Message, frozen=True):
    """A result of a task."""

    artifact_id: str
    parts: tuple[Part, ...]
    name: str = ""
    description: str = ""
    metadata: JsonObject | None = None


class Task(_Message, frozen=True):
    """A task."""

    id: str
    context_id: str
    status: TaskStatus
    artifacts: tuple[Artifact, ...] = ()
    history: tuple[Message, ...] = ()
    metadata: JsonObject | None = None


class StatusUpdate(_Message, frozen=True):
    """A change of the state of a task."""

    task_id: str
    context_id: str
    status: TaskStatus
    metadata: JsonObject | None = None


class ArtifactUpdate(_Message, frozen=True):
    """A piece of a result."""

    task_id: str
    context_id: str
    artifact: Artifact
    append: bool = False
    last_chunk: bool = False


class StreamResponse(_Message, frozen=True):
    """An event of a stream: exactly one member is set."""

    task: Task | None = None
    status_update: StatusUpdate | None = None
    artifact_update: ArtifactUpdate | None = None


class Authentication(_Message, frozen=True):
    """How a push notification is authenticated."""

    scheme: Text
    credentials: str = ""


class PushConfig(_Message, frozen=True):
    """Where the changes of a task are sent."""

    url: Text
    task_id: str = ""
    id: str = ""
    token: str = ""
    authentication: Authentication | None = None


class SendConfiguration(_Message, frozen=True):
    """What the client wishes of an answer."""

    accepted_output_modes: tuple[str, ...] = ()
    task_push_notification_config: PushConfig | None = None
    history_length: Annotated[int, Meta(ge=0)] | None = None
    return_immediately: bool = False


class SendMessageRequest(_Message, frozen=True):
    """A message to the agent."""

    message: Message
    configuration: SendConfiguration = SendConfiguration()
    metadata: JsonObject | None = None


class TaskRequest(_Message, frozen=True):
    """GetTask, CancelTask and SubscribeToTask."""

    id: Text
    history_length: Annotated[int, Meta(ge=0)] | None = None


class ListTasksRequest(_Message, frozen=True):
    """Which tasks are listed."""

    context_id: str = ""
    status: TaskState | None = None
    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    page_token: str = ""
    history_length: Annotated[int, Meta(ge=0)] | None = None
    status_timestamp_after: datetime | None = None
    include_artifacts: bool = False


class PushConfigRequest(_Message, frozen=True):
    """Get, delete and list of push notification configurations; `id` names one of them."""

    task_id: Text
    id: str = ""


Request = TypeVar("Request", bound=_Message)


def decode(value: Any, kind: type[Request]) -> Request:
    """Return a JSON value that a client sent as a message.

    Raises:
        A2aError: INVALID_PARAMS, which names the member.
    """
    try:
        # Numbers and booleans may be strings, as in a query.
        return msgspec.convert(_normalized(value), kind, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        path = _PATH.search(text)
        field = path[1] if path else ""
        problem = _PATH.sub("", text)
        message = f"{field}: {problem}" if field else problem
        raise A2aError(Reason.INVALID_PARAMS, message, field=field or "request") from error


def document(message: _Message) -> JsonObject:
    """Return a message as a JSON object."""
    value: JsonObject = msgspec.to_builtins(message)
    return value


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as a time of ProtoJSON, in milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _normalized(value: Any) -> Any:
    """Return a value with camelCase names, and without null."""
    if isinstance(value, list):
        return [_normalized(item) for item in value]
    if not isinstance(value, dict):
        return value
    found: JsonObject = {}
    for name, item in value.items():
        if name in _OPAQUE:
            if item is not None or name == "data":
                found[name] = item
        elif item is not None:
            first, *rest = name.split("_") if "_" in name else (name,)
            found[first + "".join(word[:1].upper() + word[1:] for word in rest)] = _normalized(item)
    return found
