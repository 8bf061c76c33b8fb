"""The pages that show a laptop are typed into a shell, line by line, as a reader would."""

import base64
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks
from tests.programs import PYTHON

TYPED = (
    "docs/tutorials/first-agent.md",
    "docs/tutorials/first-tool.md",
    "docs/tutorials/first-function.md",
    "docs/tutorials/laptop-to-cluster.md",
    "docs/how-to/install.md",
    "examples/demo-agent/README.md",
    "examples/echo-agent/README.md",
    "examples/echo-function/README.md",
    "examples/forgetful-agent/README.md",
    "examples/hello-agent/README.md",
    "examples/rollout-agent/README.md",
    "examples/starter/README.md",
    "examples/summarizer-function/README.md",
    "examples/support-agent/README.md",
)
SECONDS = 120.0
# A PNG of one pixel.
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
pytestmark = pytest.mark.timeout(600)


@dataclass
class Reader:
    """Somebody who follows a page: a folder, variables, and the programs that keep running."""

    folder: Path
    variables: Mapping[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        if block.kind in ("not run", "run by"):
            return
        if block.kind == "file":
            file = self.folder / block.value
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
        elif block.language == "console":
            for line, expected in block.commands:
                last = line == block.commands[-1][0]
                self.type(line, expected, *((block.kind, block.value) if last else ("", "")))

    def type(self, line: str, expected: list[str], kind: str = "", value: str = "") -> None:
        """Type a line; check what it prints where the page shows that."""
        if line.startswith("cd "):
            self.folder = (self.folder / line.removeprefix("cd ")).resolve()
        elif line.startswith("omnia up"):
            self.start(line)
        elif line.startswith("omnia chat") and '"' not in line:
            self.run(line, b"hello\n")
        elif kind == "until":
            self.until(line, value)
        elif kind == "fails":
            done = self.run(line, fails=True)
            assert value in done.stdout + done.stderr, done
        else:
            self.check(line, expected, self.run(line).stdout)

    def until(self, line: str, text: str) -> None:
        """Type a line again and again until it prints a text."""
        end = time.monotonic() + SECONDS
        # What restarts meanwhile may answer with an error.
        while text not in (done := self.run(line, fails=None)).stdout:
            assert time.monotonic() < end, f"$ {line}\n{done.stdout}"
            time.sleep(0.2)

    def check(self, line: str, expected: list[str], printed: str) -> None:
        """Compare what was printed with what a page shows; `…` stands for anything."""
        shown = "\n".join(expected)
        pattern = ".*?".join(map(re.escape, shown.split("…")))
        assert not shown or re.search(pattern, printed, re.DOTALL), f"$ {line}\n{printed}"

    def run(
        self, line: str, given: bytes = b"", *, fails: bool | None = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a line; fail if it fails, or does not when it has to. None: either is right."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            input=given.decode(),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert fails in (None, done.returncode != 0), f"$ {line}\n{done.stdout}{done.stderr}"
        return done

    def start(self, line: str) -> None:
        """Start a program that keeps running, and wait until it serves."""
        log = self.folder / f"up-{len(self.running)}.log"
        with log.open("wb") as output:
            self.running.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {line} --json"],
                    cwd=self.folder,
                    env={**os.environ, **self.variables},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        end = time.monotonic() + SECONDS
        while '"serving"' not in (printed := log.read_text()):
            assert self.running[-1].poll() is None, printed
            assert time.monotonic() < end, printed
            time.sleep(0.1)

    def stop(self) -> None:
        """Press Ctrl-C in every terminal."""
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        for process in self.running:
            assert process.wait(SECONDS) == 0


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with the command `omnia`, the examples, and a state folder of their own."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/omnia"
    command.write_text(f'#!/bin/sh\nexec {PYTHON} -m omnia_cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/examples").symlink_to(ROOT / "examples")
    variables = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    reader = Reader(tmp_path / "work", variables)
    yield reader
    reader.stop()


@pytest.mark.parametrize("page", TYPED)
def test_a_reader_can_follow_the_page(page: str, reader: Reader) -> None:
    for block in blocks(ROOT / page):
        reader.follow(block)


def page_blocks(page: str, test: str) -> list[Block]:
    """Return the blocks of a page whose comment names a test of this file."""
    named = f"tests/docs/test_pages_typed.py::{test}"
    found = [block for block in blocks(ROOT / page) if block.value == named]
    assert found
    return found


def type_lines(reader: Reader, found: list[Block]) -> None:
    """Type each line of the blocks; a line that fails, fails the test."""
    for block in found:
        for line, expected in block.commands:
            reader.type(line, expected)


def test_the_lines_for_scripts_are_typed(reader: Reader) -> None:
    reader.type("omnia up examples/support-agent", [])
    (reader.folder / "question.txt").write_text("Where is order A-1001?\n")
    (reader.folder / "lamp.png").write_bytes(base64.b64decode(PICTURE))
    type_lines(reader, page_blocks("docs/how-to/chat.md", "test_the_lines_for_scripts_are_typed"))


def test_a_compiled_pack_becomes_files_again(reader: Reader) -> None:
    reader.type("omnia init mine", [])
    reader.type("cd mine", [])
    page = "docs/how-to/packs.md"
    type_lines(reader, page_blocks(page, "test_a_compiled_pack_becomes_files_again"))
    reader.type("omnia validate", [])
    reader.type("omnia pack build ../unpacked | cmp - ../pack.json", [])


def test_the_lines_of_a_function_are_typed(reader: Reader) -> None:
    for block in blocks(ROOT / "docs/tutorials/first-function.md"):
        reader.follow(block)
    calls = [
        block
        for page in ("docs/tutorials/first-function.md", "docs/how-to/functions.md")
        for block in page_blocks(page, "test_the_lines_of_a_function_are_typed")
    ]
    address = reader.run("omnia ps --json | grep -o 'http://[^\"]*/functions/label'").stdout.strip()
    for block in calls:
        for line, _ in block.commands:
            typed = line.replace("http://127.0.0.1:8080/functions/label", address)
            assert address in typed
            reader.type(
                typed.replace("curl ", "curl -sS --fail-with-body ", 1), ['…"question":true…']
            )
