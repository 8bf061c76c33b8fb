"""A facade follows the file of a rollout: what is written places the sessions after one look."""

from pathlib import Path

from omnia_core.files.rollout import SCHEDULE_FILE, Schedule, schedule_text
from omnia_core.session_ids import new_session_id
from omnia_facade.rollout.files import CHECK_SECONDS, RolloutFiles

CANDIDATE = "helper-canary.default.svc:8082"
MOST_SECONDS = 10
"""Within which no new session reaches a candidate any more whose rollout was aborted."""
OPERATOR_SECONDS = 2
"""Of these the operator may need so many until the file is written."""


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def write(folder: Path, *, over: bool) -> None:
    """Write the file as the kubelet does: another one takes its place."""
    new = folder / "new"
    new.write_text(schedule_text(Schedule("r1", CANDIDATE, steps=((0, 100),), over=over)))
    new.rename(folder / SCHEDULE_FILE)


def test_a_schedule_that_ends_gets_no_session_after_the_next_look(tmp_path: Path) -> None:
    clock = Clock()
    files = RolloutFiles(str(tmp_path), clock=clock)
    write(tmp_path, over=False)
    earlier = new_session_id()
    assert files.other_side(earlier, "") == CANDIDATE

    write(tmp_path, over=True)
    clock.seconds += CHECK_SECONDS
    assert {files.other_side(session, "") for session in (earlier, new_session_id())} == {""}
    assert OPERATOR_SECONDS + CHECK_SECONDS < MOST_SECONDS, "the kubelet has the rest"


def test_the_file_is_looked_at_once_a_second_however_many_sessions_begin(tmp_path: Path) -> None:
    clock = Clock()
    files = RolloutFiles(str(tmp_path), clock=clock)
    write(tmp_path, over=False)
    assert files.other_side(new_session_id(), "") == CANDIDATE
    write(tmp_path, over=True)
    clock.seconds += CHECK_SECONDS * 0.9
    assert files.other_side(new_session_id(), "") == CANDIDATE
