"""Runs tests against one mutant at a time, in a copy of the project."""

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutations import Mutant
from tests.mutants.reached import Reached, is_ours

_COPIED = ("omnia_*", "tests", "examples", "protos", "crds", "charts", "docs", "benchmarks")
# All tests that reach a line, or as many of the quickest as fit.
_SECONDS = 45.0
_TEST_SECONDS = 20.0
_OPTIONS = (
    *("-n0", "-x", "-q", "--no-header", "--assert=plain"),
    *("-p", "no:cacheprovider", "-W", "ignore"),
)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Which tests reach which line, with the seconds of each."""

    lines: dict[str, list[str]]
    at_import: frozenset[str]
    seconds: dict[str, float]
    failed: tuple[str, ...] = ()
    """Tests that are left out: on a busy machine one may be too slow without a fault."""

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach the mutant's line, the quickest first.

        Every test may notice a line that runs at the import.
        """
        place = f"{mutant.path}:{mutant.line}"
        found = set(self.lines.get(place, ()))
        if not found and place in self.at_import:
            found = set(self.seconds)
        chosen: list[str] = []
        left = _SECONDS
        for test in sorted(found, key=lambda each: self.seconds[each]):
            left -= self.seconds[test]
            if left < 0:
                break
            chosen.append(test)
        return chosen


def copy_of(project: Path, folder: Path) -> Path:
    """Copy what the tests need, so that a fault is never in the checkout itself."""
    for pattern in (*_COPIED, "*.toml", "*.md", "Makefile", "Dockerfile.*", "LICENSE"):
        for path in project.glob(pattern):
            if path.is_dir():
                left_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, folder / path.name, symlinks=True, ignore=left_out)
            else:
                shutil.copy(path, folder / path.name)
    return folder


def baseline(copy: Path, modules: list[str], tests: list[str]) -> Baseline:
    """Run the tests without a fault; those that fail all the same are left out."""
    output = copy / "reached.json"

    def run() -> int:
        options = [each for each in _OPTIONS if each != "-x"]
        return _pytest([*options, *tests], [Reached(modules, output)], 3 * _TEST_SECONDS)

    # The children find the tests compiled.
    _in_child(copy, run, seconds=1800.0, keeps_bytecode=True)
    for module in modules:
        # A fault may have the size and the time of the text that was compiled.
        Path(importlib.util.cache_from_source(str(copy / module))).unlink(missing_ok=True)
    if not output.exists():
        raise SystemExit("The tests did not run: pytest ended before its end")
    found = json.loads(output.read_text("utf-8"))
    failed = set(found["failed"])
    # A child that is forked has them already, which is most of the time of a quick test.
    for name in found["libraries"]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    # pytest collects garbage several times in each child, which need not look at the libraries.
    gc.collect()
    gc.freeze()
    # A test that may be too slow without a fault says nothing about one.
    seconds: dict[str, float] = {
        test: taken
        for test, taken in found["seconds"].items()
        if test not in failed and taken < _TEST_SECONDS / 2
    }
    if not seconds:
        raise SystemExit("No test passes without a fault")
    return Baseline(
        lines={
            place: [test for test in reaching if test in seconds]
            for place, reaching in found["lines"].items()
        },
        at_import=frozenset(found["at_import"]),
        seconds=seconds,
        failed=tuple(sorted(failed)),
    )


def noticed(copy: Path, mutant: Mutant, tests: list[str]) -> bool:
    """Return whether one of the tests fails, or never ends, with the mutant in its place."""
    if not tests:
        return False
    module = copy / mutant.path
    source = module.read_bytes()
    module.write_bytes(mutant.apply(source))
    try:
        return (
            _in_child(copy, lambda: _pytest([*_OPTIONS, *tests], [], _TEST_SECONDS), 2 * _SECONDS)
            != 0
        )
    finally:
        module.write_bytes(source)


def _pytest(arguments: list[str], plugins: list[object], seconds: float) -> int:
    import pytest  # noqa: PLC0415 - of the child alone, which has the copy first in its path

    limit = f"--timeout={seconds}"
    return int(pytest.main([*arguments, limit, "--hypothesis-seed=0"], plugins=plugins))


def _in_child(
    copy: Path, run: Callable[[], int], seconds: float, *, keeps_bytecode: bool = False
) -> int:
    """Run in a forked process, which finds the packages of the copy; return its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.setsid()
            os.chdir(copy)
            os.environ["PYTHONPATH"] = str(copy)
            if not keeps_bytecode:
                os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            sys.dont_write_bytecode = not keeps_bytecode
            sys.path.insert(0, str(copy))
            for name in [each for each in sys.modules if is_ours(each)]:
                del sys.modules[name]
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            code = run()
        os._exit(code)
    ends = time.monotonic() + seconds
    status: int | None = None
    while status is None and time.monotonic() < ends:
        ended, code = os.waitpid(child, os.WNOHANG)
        if ended:
            status = os.waitstatus_to_exitcode(code)
        else:
            time.sleep(0.02)
    # What a test started is in the child's session, and has no further use.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
        return 1
    return status
