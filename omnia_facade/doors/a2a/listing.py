"""ListTasks: which tasks, in which order, on which page.

The order is the same in every pod, so a page token of one is a place in the list of another.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.messages import ListTasksRequest, Task, TaskState, document, timestamp
from omnia_facade.doors.a2a.tasks import lost_task, state_of, task_of
from omnia_facade.runs.records import RunRecord
from omnia_facade.runs.run import Run


class ListedTask(Struct, frozen=True):
    """A task that may be listed.

    Attributes:
        updated_at: seconds since the epoch.
        task: makes it; not called for a task that is not on the page.
    """

    id: str
    context_id: str
    state: TaskState
    updated_at: float
    task: Callable[[], Task]

    @property
    def order(self) -> tuple[str, str]:
        """Where it is in the list: the newest status has the largest."""
        return timestamp(self.updated_at), self.id


def listed_run(run: Run, request: ListTasksRequest) -> ListedTask:
    """Return a task of this pod."""

    def task() -> Task:
        return task_of(run, request.history_length, artifacts=request.include_artifacts)

    return ListedTask(run.id, run.session_id, state_of(run), run.updated_at, task)


def listed_record(record: RunRecord) -> ListedTask:
    """Return a task whose pod has ended."""
    return ListedTask(
        record.run_id,
        record.session_id,
        TaskState.FAILED,
        record.alive_until,
        lambda: lost_task(record, ""),
    )


def list_tasks(tasks: Iterable[ListedTask], request: ListTasksRequest) -> JsonObject:
    """Return a page of tasks, the newest status first.

    Raises:
        A2aError: INVALID_PARAMS: the page token is not one of ours.
    """
    found = sorted(
        (task for task in tasks if _matches(task, request)),
        key=lambda task: task.order,
        reverse=True,
    )
    rest = found
    if request.page_token:
        last = _position(request.page_token)
        rest = [task for task in found if task.order < last]
    page = [document(task.task()) for task in rest[: request.page_size]]
    return _page(page, request, len(found), more=len(rest) > request.page_size)


def merged(pages: Sequence[JsonObject], request: ListTasksRequest) -> JsonObject:
    """Return the page of all pods, of the same page of each."""
    tasks = sorted((task for page in pages for task in page["tasks"]), key=_order, reverse=True)
    more = len(tasks) > request.page_size or any(page["nextPageToken"] for page in pages)
    total = sum(page["totalSize"] for page in pages)
    return _page(tasks[: request.page_size], request, total, more=more)


class _Answer(Struct):
    result: JsonObject


class _Status(Struct):
    timestamp: str


class _Task(Struct):
    id: str
    status: _Status


class _Page(Struct, rename="camel"):
    tasks: list[_Task]
    next_page_token: str
    total_size: int


def page_of_answer(answer: bytes | None) -> JsonObject | None:
    """Return the page in the JSON-RPC answer of another pod; None if it has none."""
    if answer is None:
        return None
    try:
        page = msgspec.json.decode(answer, type=_Answer).result
        msgspec.convert(page, _Page)
    except msgspec.MsgspecError:
        return None
    return page


def _page(
    tasks: list[JsonObject], request: ListTasksRequest, total: int, *, more: bool
) -> JsonObject:
    return {
        "tasks": tasks,
        "nextPageToken": _token(tasks[-1]) if more and tasks else "",
        "pageSize": request.page_size,
        "totalSize": total,
    }


def _matches(task: ListedTask, request: ListTasksRequest) -> bool:
    after = request.status_timestamp_after
    return (
        (not request.context_id or task.context_id == request.context_id)
        and (request.status is None or task.state is request.status)
        and (after is None or task.updated_at >= after.timestamp())
    )


def _order(task: JsonObject) -> tuple[str, str]:
    return task["status"]["timestamp"], task["id"]


def _token(task: JsonObject) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_order(task))).decode()


def _position(token: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, str])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise A2aError(
            Reason.INVALID_PARAMS,
            "pageToken is not one that this agent sent; begin without it",
            field="pageToken",
        ) from error
