"""What every test may use."""

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.event_loop import TestLoop
from tests.services import MongoServer, PostgresServer, postgres_server, redis_server

# A shell without job control has its background jobs ignore Ctrl-C, and so would every program that
# the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Under nohup they would ignore the end of their terminal. The tests themselves go on, in every
# process: what is handled, not ignored, is back at its default in a program that is started.
OUTLIVES_TERMINAL = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def outlive_terminal() -> None:
    """Have this process, but no program that it starts, live on when the terminal is closed."""
    signal.signal(signal.SIGHUP, lambda *_: None)


if OUTLIVES_TERMINAL:
    outlive_terminal()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of xdist whether it is under nohup: to it the signal looks as usual."""
    node.workerinput["outlives_terminal"] = OUTLIVES_TERMINAL


def pytest_configure(config: pytest.Config) -> None:
    """In a process of xdist, do as the one that started it."""
    if getattr(config, "workerinput", {}).get("outlives_terminal"):
        outlive_terminal()


# Each run draws other examples, so a few of each property do; `make test-properties` draws many.
# How long an example takes says nothing on a busy machine.
for _profile, _examples in {"few": 25, "many": 400}.items():
    settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("few")

ROOT = Path(__file__).parents[1]
MONGO_PROGRAM = ROOT / ".venv-servers/mongo/mongo-for-tests"
IN_CI = os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave what the tests load out of each garbage collection: it stays to the end.

    So does the little of it that is garbage by then: to look for it takes longer than it is worth.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], TestLoop]]:
    """Give every asynchronous test a loop of its own."""
    return {"loop": TestLoop}


@pytest.fixture(scope="session")
def need_program() -> Callable[[str, str], str]:
    """Find a program of the machine, or skip with the line that installs it (under CI: fail)."""

    def find(name: str, install: str) -> str:
        found = shutil.which(name)
        if found is None:
            reason = f"{name} is not on this machine; install it: {install}"
            if IN_CI:
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return find


@pytest.fixture(scope="session")
def redis_url(
    need_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A Redis of this test run."""
    program = need_program("redis-server", "apt-get install redis-server")
    with redis_server(program, str(tmp_path_factory.mktemp("redis"))) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Find the folder of PostgreSQL's programs, which Debian keeps out of PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders:
        reason = "PostgreSQL is not on this machine; install it: apt-get install postgresql"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
    return max(folders)


@pytest.fixture(scope="session")
def postgres(postgres_programs: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL of this test run."""
    with postgres_server(postgres_programs) as server:
        yield server


@pytest.fixture(scope="session")
def mongo_program() -> Path:
    """Find the server of `tests/mongo`, whose build takes minutes: only its lane requires it."""
    if not MONGO_PROGRAM.exists():
        reason = "the MongoDB server of the tests was not built here; build it: make servers-mongo"
        if os.environ.get("MONGO_BACKEND"):
            pytest.fail(reason)
        pytest.skip(reason)
    return MONGO_PROGRAM


@pytest.fixture(scope="session")
def mongo(
    mongo_program: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MongoServer]:
    """A MongoDB of this test run, over SQLite or (MONGO_BACKEND=postgres) PostgreSQL."""
    if os.environ.get("MONGO_BACKEND") == "postgres":
        backend = ("-postgres", request.getfixturevalue("postgres").url)
    else:
        backend = ("-sqlite", f"file:{tmp_path_factory.mktemp('mongo')}/?_pragma=synchronous(off)")
    server = MongoServer(mongo_program, *backend)
    server.start()
    yield server
    server.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pymongo leave the socket of a connection that is cancelled while it is opened.

    It leaves it to the collector (PYTHON-5867, not in 4.20), which comes during any later test.
    """
    left = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    if MONGO_PROGRAM.exists() and any(
        "mongo" in getattr(item, "fixturenames", ()) for item in items
    ):
        for item in items:
            item.add_marker(pytest.mark.filterwarnings(left))
