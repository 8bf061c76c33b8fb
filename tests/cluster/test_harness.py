"""The parts of the harness that other tests would blame on the cluster."""

import fcntl
import os
import struct
import threading
from pathlib import Path

import pytest

from tests.cluster.cluster_lock import ClusterLock
from tests.cluster.harness.build import HELM, PAUSE, SERVERS
from tests.cluster.harness.dns import TYPE_A, answer
from tests.cluster.harness.errors import MissingPart
from tests.cluster.harness.processes import Identity
from tests.cluster.harness.requirements import need_go, need_programs, need_root
from tests.cluster.harness.waiting import becomes, eventually, wait_until

TYPE_AAAA = 28
NAME_ERROR = 3


def question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return (
        struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    )


def known(name: str) -> list[str]:
    return ["10.96.0.7"] if name == "redis.agents.svc.cluster.local" else []


def test_the_name_of_a_service_is_answered_with_its_address() -> None:
    reply = answer(question("redis.agents.svc.cluster.local", TYPE_A), known)
    number, flags, questions, answers = struct.unpack("!HHHH", reply[:8])
    assert (number, flags & 0xF, questions, answers) == (7, 0, 1, 1)
    assert reply[-4:] == bytes([10, 96, 0, 7])


def test_a_known_name_has_no_second_kind_of_address_and_still_exists() -> None:
    # "No such name" here would make a resolver give up on the first kind, too.
    reply = answer(question("redis.agents.svc.cluster.local", TYPE_AAAA), known)
    _, flags, _, answers = struct.unpack("!HHHH", reply[:8])
    assert (flags & 0xF, answers) == (0, 0)


def test_a_name_outside_the_cluster_does_not_exist() -> None:
    reply = answer(question("example.org", TYPE_A), known)
    assert struct.unpack("!H", reply[2:4])[0] & 0xF == NAME_ERROR


def test_a_process_is_known_by_more_than_its_pid() -> None:
    me = Identity.of(os.getpid())
    assert me is not None
    assert me.alive()
    assert not Identity(me.pid, "0").alive()


def test_a_program_is_built_again_when_its_source_changes() -> None:
    assert len({SERVERS.version, HELM.version, PAUSE.version}) == 3


def test_a_check_is_repeated_as_a_whole_until_all_of_it_holds() -> None:
    looks: list[tuple[bool, bool]] = [(True, False), (False, True), (True, True)]

    def check() -> int:
        ready, told = looks.pop(0)
        assert ready
        assert told
        return len(looks)

    assert eventually(check) == 0


def test_a_check_that_never_holds_fails_with_what_it_saw_last() -> None:
    seen = iter(range(1_000_000))
    with pytest.raises(AssertionError, match=r"expected -1, found \d+") as failed:
        becomes(lambda: next(seen), -1, seconds=0.05)
    assert failed.value.__notes__ == ["still so after 0.05 s"]


def test_a_fault_of_a_check_is_no_reason_to_wait() -> None:
    def check() -> None:
        raise TypeError

    with pytest.raises(TypeError):
        eventually(check)


def test_without_root_it_says_what_else_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingPart, match="KUBECONFIG"):
        need_root()


def test_without_root_it_names_the_line_that_installs_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingPart, match="apt-get install --no-install-recommends some-package"):
        need_programs({"no-such-program": "some-package"})


def test_without_go_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPart, match="install Go"):
        need_go()


def test_a_test_that_needs_the_cluster_alone_is_not_overtaken_by_later_ones(tmp_path: Path) -> None:
    lock = ClusterLock(tmp_path)
    order: list[str] = []

    def take(name: str, *, alone: bool) -> None:
        with lock.held(alone=alone):
            order.append(name)

    with lock.held(alone=False):
        take("beside the first", alone=False)
        waiting = threading.Thread(target=take, args=("alone",), kwargs={"alone": True})
        waiting.start()
        # It has the entry when nobody else gets it.
        wait_until("it waits", lambda: not _free(tmp_path / "tests-entry.lock"), seconds=10)
        later = threading.Thread(target=take, args=("later",), kwargs={"alone": False})
        later.start()
    waiting.join()
    later.join()
    assert order == ["beside the first", "alone", "later"]


def _free(file: Path) -> bool:
    with file.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
