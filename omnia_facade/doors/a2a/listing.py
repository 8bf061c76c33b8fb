"""ListTasks: which tasks, in which order, on which page."""

import base64
import binascii
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.messages import ListTasksRequest, document
from omnia_facade.doors.a2a.tasks import state_of, task_of
from omnia_facade.runs.run import Run


class _Position(Struct, frozen=True, array_like=True):
    """The last task of a page."""

    updated_at: float
    task_id: str


def list_tasks(runs: Iterable[Run], request: ListTasksRequest) -> JsonObject:
    """Return a page of tasks, the newest status first.

    Raises:
        A2aError: INVALID_PARAMS: the page token is not one of ours.
    """
    found = sorted((run for run in runs if _matches(run, request)), key=_order_of, reverse=True)
    page, more = _page(found, request)
    return {
        "tasks": [
            document(task_of(run, request.history_length, artifacts=request.include_artifacts))
            for run in page
        ],
        "nextPageToken": _token(page[-1]) if more else "",
        "pageSize": request.page_size,
        "totalSize": len(found),
    }


def _matches(run: Run, request: ListTasksRequest) -> bool:
    after = request.status_timestamp_after
    return (
        (not request.context_id or run.session_id == request.context_id)
        and (request.status is None or state_of(run) is request.status)
        and (after is None or run.updated_at >= after.timestamp())
    )


def _page(found: Sequence[Run], request: ListTasksRequest) -> tuple[Sequence[Run], bool]:
    """Return the tasks of the page, and whether there are more."""
    if request.page_token:
        position = _position(request.page_token)
        last = (position.updated_at, position.task_id)
        found = [run for run in found if _order_of(run) < last]
    return found[: request.page_size], len(found) > request.page_size


def _order_of(run: Run) -> tuple[float, str]:
    return run.updated_at, run.id


def _token(run: Run) -> str:
    position = msgspec.json.encode(_Position(*_order_of(run)))
    return base64.urlsafe_b64encode(position).decode()


def _position(token: str) -> _Position:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=_Position)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise A2aError(
            Reason.INVALID_PARAMS,
            "pageToken is not one that this agent sent; begin without it",
            field="pageToken",
        ) from error
