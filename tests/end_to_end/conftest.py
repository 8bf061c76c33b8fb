"""`omnia up` as its users run it: a process of its own, on real manifests."""

import contextlib
import functools
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from omnia_core.env.shared import GrpcTransport
from tests.programs import PYTHON
from tests.services import free_port
from tests.transport import TRANSPORT, VARIABLES

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OMNIA = (PYTHON, "-m", "omnia_cli")
# A start of Python: for a terminal, and where a test looks at the processes themselves.
OMNIA_STARTED = (sys.executable, "-m", "omnia_cli")
(VARIABLE,) = ("=".join(each) for each in VARIABLES.items())
OMNIA_WITH = (sys.executable, "-m", "tests.end_to_end.omnia_with", VARIABLE)
LIMIT = 150.0


@dataclass
class Up:
    """A running `omnia up --json`."""

    process: subprocess.Popen[bytes]
    errors: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    _queue: "queue.Queue[dict[str, Any] | None]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(orjson.loads(line))
        self._queue.put(None)

    def wait(self, event: str, **fields: object) -> dict[str, Any]:
        """Return the first event of that kind, with those fields, that has not been waited for."""
        for seen in self.events:
            if seen["event"] == event and fields.items() <= seen.items():
                self.events.remove(seen)
                return seen
        while True:
            try:
                found = self._queue.get(timeout=LIMIT)
            except queue.Empty:
                pytest.fail(f"no {event} {fields} in {LIMIT} s; {self.errors.read_text()}")
            if found is None:
                pytest.fail(f"ended before {event} {fields}; {self.errors.read_text()}")
            if found["event"] == event and fields.items() <= found.items():
                return found
            self.events.append(found)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Interrupt it and return its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.process.wait(LIMIT)


@contextlib.contextmanager
def running_up(folder: Path, *options: str) -> Iterator[Up]:
    """Run `omnia up --json` on manifests; its state and what it says of errors are in a folder."""
    errors = folder / "errors.txt"
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            [PYTHON, "-m", "omnia_cli", "up", "--json", *options],
            stdout=subprocess.PIPE,
            stderr=sink,
            env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
            cwd=ROOT,
        )
    up = Up(process, errors)
    try:
        yield up
    finally:
        up.stop()
        assert process.stdout
        process.stdout.close()


Start = Callable[..., Up]
Example = Callable[[str], Path]


@dataclass(frozen=True)
class Shared:
    """An example that runs for several tests, which leave it as it is.

    Attributes:
        url: where it answers.
        environment: that of a command line which finds it.
    """

    url: str
    environment: dict[str, str]


Share = Callable[[str], Shared]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of the command line, with a state folder of its own."""
    return environment_of(tmp_path)


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment of a command line that keeps its state in a folder."""
    return {**os.environ, "XDG_STATE_HOME": str(folder / "state")}


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Start `omnia up --json -f PATH…`."""
    with starting(tmp_path, environment) as run:
        yield run


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    """Run an example once for all tests of a module that ask for it."""
    folder = tmp_path_factory.mktemp("shared")
    environment = environment_of(folder)
    with starting(folder, environment) as run:

        @functools.cache
        def shared(name: str) -> Shared:
            up = run(copied(name, folder))
            url = up.wait("ready")["url"]
            up.wait("serving")
            return Shared(url, environment)

        yield shared


@contextlib.contextmanager
def starting(folder: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Yield what starts `omnia up`; in the end all of them stop."""
    running: list[Up] = []
    command = OMNIA if TRANSPORT is GrpcTransport.BUILTIN else OMNIA_WITH

    def run(
        *paths: Path, options: Sequence[str] = (), omnia: Sequence[str] = command, **variables: str
    ) -> Up:
        errors = folder / f"errors-{len(running)}.txt"
        files = [each for path in paths for each in ("-f", str(path))]
        with errors.open("wb") as sink:
            process = subprocess.Popen(
                [*omnia, "up", "--json", *options, *files],
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**environment, **variables},
                cwd=ROOT,
            )
        up = Up(process, errors)
        running.append(up)
        return up

    yield run
    for up in running:
        if up.process.poll() is None:
            up.stop()
        assert up.process.stdout
        up.process.stdout.close()


def with_port(text: str, port: int) -> str:
    """Return the manifest of an agent with another port, and nothing else changed."""
    if "port: 8080" in text:
        return text.replace("port: 8080", f"port: {port}")
    if "type: websocket" in text:
        return text.replace("type: websocket", f"type: websocket\n    port: {port}")
    return f"{text}  facade:\n    type: websocket\n    port: {port}\n"


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """Copy an example, with ports that no other test uses."""
    return lambda name: copied(name, tmp_path)


def copied(name: str, folder: Path) -> Path:
    """Copy an example into a folder, with ports that no other test uses."""
    target = folder / name
    shutil.copytree(EXAMPLES / name, target)
    for file in target.glob("*.yaml"):
        if "kind: AgentRuntime" in file.read_text():
            file.write_text(with_port(file.read_text(), free_port()))
    return target


@dataclass
class Answer:
    """What HTTP answered."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@pytest.fixture
def curl(need_program: Callable[[str, str], str]) -> Callable[..., Answer]:
    """Send a request with curl; `arguments` are curl's."""
    program = need_program("curl", "apt-get install curl")

    def send(*arguments: str) -> Answer:
        command = [program, "-sS", "-i", "--max-time", str(LIMIT), "-H", "Expect:", *arguments]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        head, _, body = output.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (each.partition(":") for each in lines)
        }
        return Answer(int(first.split()[1]), headers, orjson.loads(body) if body else {})

    return send
