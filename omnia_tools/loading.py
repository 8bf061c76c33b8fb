"""The tools of one Python file."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from omnia_core.errors import ConfigurationError
from omnia_tools.declaration import Declaration, Tool, declare, mark_of
from omnia_tools.function import FunctionTool


@dataclass(frozen=True)
class Place:
    """Where files are, and the folder that messages name in its place."""

    folder: Path
    shown: str

    def of(self, file: Path, line: int) -> str:
        """Return `FOLDER/file.py:LINE`."""
        return f"{self.shown}/{file.name}:{line}"

    def text(self, text: str) -> str:
        """Return a text with the folder that people know."""
        return text.replace(str(self.folder), self.shown)

    def of_error(self, error: BaseException) -> str:
        """Return the last line of the folder's files that an error came through, or ""."""
        if isinstance(error, SyntaxError) and error.filename:
            line = f":{error.lineno}" if error.lineno else ""
            return self.text(f"{error.filename}{line}")
        inside = [each for each in self._frames(error) if Path(each.filename).parent == self.folder]
        return self.text(f"{inside[-1].filename}:{inside[-1].lineno}") if inside else ""

    def trace(self, error: BaseException) -> str:
        """Return the traceback of an error from the first of the folder's files on."""
        lines = traceback.format_list(self._frames(error))
        return self.text("".join([*lines, *traceback.format_exception_only(error)])).rstrip()

    def _frames(self, error: BaseException) -> list[traceback.FrameSummary]:
        frames = traceback.extract_tb(error.__traceback__)
        places = [Path(each.filename).parent for each in frames]
        return frames[places.index(self.folder) :] if self.folder in places else frames


@dataclass
class Loaded:
    """The tools of a file by name, and the problems of the others.

    Attributes:
        failed: the file could not be run.
    """

    tools: dict[str, tuple[Tool, Declaration]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, tool: Tool) -> None:
        """Add a tool.

        Raises:
            ConfigurationError: it cannot be offered.
        """
        declaration = declare(tool)
        if declaration.name in self.tools:
            raise ConfigurationError(f'two tools are named "{declaration.name}": rename one')
        self.tools[declaration.name] = tool, declaration


def load(file: Path, place: Place) -> Loaded:
    """Run a file and return its tools: those that are defined in it, not what it imports."""
    found = Loaded()
    try:
        module = _run(file)
    except BaseException as error:  # noqa: BLE001 - the file may raise anything, SystemExit too
        where = place.of_error(error) or place.of(file, 1)
        found.problems.append(f"{where}: {_words(error)}")
        found.failed = True
        return found
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        try:
            for tool in _tools(value):
                found.add(tool)
        except Exception as error:  # noqa: BLE001 - a class of the file may raise anything
            words = error.message if isinstance(error, ConfigurationError) else _words(error)
            found.problems.append(f"{place.of(file, _line(value))}: {words}; it is not offered")
    return found


def _run(file: Path) -> ModuleType:
    name = file.stem
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _tools(value: Any) -> Iterator[Tool]:
    mark = mark_of(value)
    if mark is not None and inspect.isfunction(value):
        yield FunctionTool(value, mark)
    elif inspect.isclass(value) and issubclass(value, Tool) and not inspect.isabstract(value):
        yield value()


def _line(value: Any) -> int:
    if inspect.isfunction(value):
        return value.__code__.co_firstlineno
    try:
        return inspect.getsourcelines(value)[1]
    except (OSError, TypeError):
        return 1


def _words(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
