"""A pytest plugin that prints the processor time of each file of tests, and of the costly tests.

`make test ARGS="-p tests.processor_time"`. Programs count when they have ended, so a server that
several files share counts where it ends. `collection` is the loading of the tests, once for each
process.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SECONDS: defaultdict[str, float] = defaultdict(float)
"""By test, whose parameters are added up."""
SHOWN = 60
TICK = os.sysconf("SC_CLK_TCK")


def used() -> float:
    """Return the seconds of this process, of its children, and of what is forked for it."""
    total = sum(os.times()[:4])
    for pid in getattr(sys.modules.get("tests.programs"), "SERVERS", ()):
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            fields = stat.read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / TICK
    return total


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Count from the start of the process."""
    result = yield
    SECONDS["collection"] += used()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count a test with its fixtures."""
    began = used()
    result = yield
    SECONDS[item.nodeid.partition("[")[0]] += used() - began
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the seconds of a worker to the process that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["processor_time"] = dict(SECONDS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the seconds of a worker."""
    for name, seconds in getattr(node, "workeroutput", {}).get("processor_time", {}).items():
        SECONDS[name] += seconds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print files and tests, the most expensive ones first."""
    files: defaultdict[str, float] = defaultdict(float)
    for name, seconds in SECONDS.items():
        files[name.partition("::")[0]] += seconds
    tests = {name: seconds for name, seconds in SECONDS.items() if "::" in name}
    for title, costs in (("of tests", tests), ("of files", files)):
        terminalreporter.section(f"processor time {title}")
        found = sorted(costs.items(), key=lambda each: -each[1])
        for name, seconds in found[:SHOWN] if costs is tests else found:
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
    terminalreporter.write_line(f"{sum(files.values()):8.1f} s  together")
