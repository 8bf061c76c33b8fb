"""Documents of strangers: each is a value or an error with a sentence, within time and memory."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.load.document_reader import CPU_SECONDS, MIB, Reading
from tests.load.documents import LARGEST, documents
from tests.load.watched import ROOT
from tests.services import SOAK_SECONDS

# The memory limit of each container in values.yaml; a person's machine has more than the pods.
MEGABYTES = {"operator": 256, "runtime": 512, "cli": 1024}
# The largest document that reaches each reader: a ConfigMap and a request to the API server are
# limited by Kubernetes, a file and a fetched document by the reader's caller.
READERS = {
    "operator": {
        "resource": 3 * MIB // 2,
        "pack": MIB,
        "schema": MIB,
        "openapi": 5 * MIB,
        "filtered-openapi": LARGEST,
    },
    "runtime": {
        "tools": MIB,
        "providers": MIB,
        "pack": MIB,
        "schema": MIB,
        "openapi": 5 * MIB,
        "filtered-openapi": LARGEST,
    },
    "cli": {"manifests": 16 * MIB},
}


@dataclass
class Figures:
    """What the documents of one reader took at most."""

    documents: int = 0
    megabytes: float = 0.0
    values: int = 0
    longest: float = 0.0
    peak: float = 0.0

    def add(self, size: int, reading: Reading) -> None:
        self.documents += 1
        self.megabytes += size / MIB
        self.values += reading.outcome == "value"
        self.longest = max(self.longest, reading.seconds)
        self.peak = max(self.peak, reading.megabytes)

    def __str__(self) -> str:
        return (
            f"{self.documents} documents of {self.megabytes:.0f} MiB, {self.values} of them values;"
            f" at most {self.longest:.1f} s of CPU, {self.peak:.0f} MB"
        )


class Document:
    """A document in a file, which a report names: hypothesis would print the content."""

    def __init__(self, reader: str, file: Path, content: bytes) -> None:
        self.reader = reader
        self.file = file
        self.content = content

    def __repr__(self) -> str:
        return f"the document for {self.reader} in {self.file}"


@dataclass
class Program:
    """A program that reads documents, as long as it lives."""

    process: "subprocess.Popen[bytes]"
    figures: dict[str, Figures] = field(default_factory=dict)

    def read(self, document: Document) -> Reading:
        reader, content = document.reader, document.content
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{reader} {len(content)}\n".encode() + content)
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            ended = self.process.wait()
            why = f"more than {CPU_SECONDS:.0f} s of CPU" if ended == -signal.SIGPROF else ended
            return Reading(f"the program ended: {why}", 0.0, 0.0)
        reading = msgspec.json.decode(answer, type=Reading)
        self.figures.setdefault(reader, Figures()).add(len(content), reading)
        return reading


@contextlib.contextmanager
def _program(name: str) -> Iterator[Program]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.load.document_reader", name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield Program(process)
        process.kill()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3, marks=[pytest.mark.load, pytest.mark.timeout(300)]),
        pytest.param(
            SOAK_SECONDS, marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS + 300)]
        ),
    ],
)
def test_a_document_is_a_value_or_an_error_within_time_and_memory(
    name: str, seconds: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    until = time.monotonic() + seconds
    readers = st.sampled_from(list(READERS[name]))
    kept = tmp_path / "document"
    drawn = readers.flatmap(
        lambda reader: documents(reader, READERS[name][reader]).map(
            lambda content: Document(reader, kept, content)
        )
    )
    first = int.from_bytes(os.urandom(4))
    rounds = 0
    with _program(name) as program:

        @settings(
            max_examples=100,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn)
        def check(document: Document) -> None:
            if time.monotonic() > until:
                return
            document.file.write_bytes(document.content)
            reading = program.read(document)
            assert reading.outcome in {"value", "refused"}, (document, reading)
            assert reading.megabytes < MEGABYTES[name], (document, reading)

        while time.monotonic() < until:
            seed(first + rounds)(check)()
            rounds += 1
    with capsys.disabled():
        print(f"\n{name}, seeds from {first}:")  # noqa: T201 - the figures
        for reader, figures in program.figures.items():
            print(f"  {reader}: {figures}")  # noqa: T201 - the figures
