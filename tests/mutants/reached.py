"""A pytest plugin that notes which lines of some modules each test executes, and its seconds."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

_TOOL = sys.monitoring.COVERAGE_ID
_LINE = sys.monitoring.events.LINE


def is_ours(module: str) -> bool:
    """Return whether a module is of this project."""
    package = module.partition(".")[0]
    return package in {"tests", "benchmarks"} or package.startswith("omnia_")


class Reached:
    """Lines of `modules`, executed in this process; programs that a test starts are not seen."""

    def __init__(self, modules: list[str], output: Path) -> None:
        self._modules = {str(Path(each).resolve()): each for each in modules}
        self._output = output
        self._current: set[tuple[str, int]] = set()
        self._imported: set[tuple[str, int]] = set()
        self._tests: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: list[str] = []
        sys.monitoring.use_tool_id(_TOOL, "reached")
        sys.monitoring.register_callback(_TOOL, _LINE, self._line)
        sys.monitoring.set_events(_TOOL, _LINE)

    def _line(self, code: CodeType, line: int) -> object:
        if (module := self._modules.get(code.co_filename)) is not None:
            self._current.add((module, line))
        # Once for each test is enough.
        return sys.monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._imported |= self._current
        self._current = self._tests[item.nodeid]
        sys.monitoring.restart_events()
        result = yield
        self._current = set()
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        sys.monitoring.free_tool_id(_TOOL)
        lines: dict[str, list[str]] = defaultdict(list)
        for test, reached in self._tests.items():
            for module, line in reached:
                lines[f"{module}:{line}"].append(test)
        result = {
            "lines": lines,
            "at_import": [f"{module}:{line}" for module, line in self._imported],
            "seconds": self._seconds,
            "failed": self._failed,
            "libraries": [name for name in sys.modules if not is_ours(name)],
        }
        self._output.write_text(json.dumps(result), "utf-8")
