"""Forks the programs of the project from a process that has their modules in memory.

Most of what a start costs is the loading of modules. The program runs as it does from a shell: as
`__main__`, with its arguments, its environment, its folder and its standard streams. What differs:
its parent is this server, it leads a session of its own, and /proc shows the command line and the
environment of this server. `fork_client.py` stands for it where it was started.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import marshal
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INT = 4


@dataclass(frozen=True)
class Request:
    """A program to run.

    Attributes:
        options: Python's own, `-B` and `-u`.
        streams: its standard input, output and error.
        alive: a pipe that is open as long as the process that stands for the program.
        ignored: signals that it ignores from the start.
    """

    options: list[str]
    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    ignored: list[int]
    streams: list[int]
    alive: int


class Server:
    """Accepts requests; each connection is a program until one of both ends."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._ready = selectors.DefaultSelector()
        self._loaded: set[str] = set()
        self._programs: dict[int, tuple[int, socket.socket]] = {}

    def serve(self, owner: int) -> Request | None:
        """Serve until the stream `owner` ends; in a forked program, return what it has to be."""
        self._ready.register(self._listener, selectors.EVENT_READ, self._accept)
        self._ready.register(owner, selectors.EVENT_READ, None)
        while True:
            for key, _ in self._ready.select():
                if key.data is None:
                    for descriptor in self._programs:
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    return None
                if request := key.data(key.fileobj):
                    return request  # type: ignore[no-any-return] # _accept's alone
        raise AssertionError

    def _accept(self, listener: socket.socket) -> Request | None:
        connection, _ = listener.accept()
        request = received(connection)
        if request is None:
            connection.close()
            return None
        if request.module not in self._loaded:
            self._loaded.add(request.module)
            # What cannot be loaded is told by the program itself.
            with contextlib.suppress(Exception):
                load(request.module)
        pid = os.fork()
        if pid == 0:
            connection.close()
            self._ready.close()
            listener.close()
            for descriptor, (_, other) in self._programs.items():
                os.close(descriptor)
                other.close()
            return request
        for stream in (*request.streams, request.alive):
            os.close(stream)
        descriptor = os.pidfd_open(pid)
        self._programs[descriptor] = pid, connection
        self._ready.register(descriptor, selectors.EVENT_READ, self._ended)
        self._ready.register(
            connection, selectors.EVENT_READ, lambda each: self._signalled(descriptor, each)
        )
        return None

    def _signalled(self, descriptor: int, connection: socket.socket) -> None:
        """Pass signals on; the end of the connection stands for SIGKILL."""
        if descriptor not in self._programs:
            return
        numbers = b""
        with contextlib.suppress(ConnectionError):
            numbers = connection.recv(64)
        for number in numbers or bytes([signal.SIGKILL]):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
        if not numbers:
            # What is started next may need its ports.
            self._ended(descriptor)

    def _ended(self, descriptor: int) -> None:
        if descriptor not in self._programs:
            return
        pid, connection = self._programs.pop(descriptor)
        _, status = os.waitpid(pid, 0)
        self._ready.unregister(descriptor)
        self._ready.unregister(connection)
        os.close(descriptor)
        with contextlib.suppress(ConnectionError):
            connection.send(status.to_bytes(INT, "big"))
        connection.close()


def received(connection: socket.socket) -> Request | None:
    """Read a request; None if its sender has gone."""
    try:
        head, streams, _, _ = socket.recv_fds(connection, INT, 4)
        length = int.from_bytes(head, "big")
        body = b""
        while len(body) < length:
            if not (more := connection.recv(length - len(body))):
                return None
            body += more
    except ConnectionError:
        return None
    if not head:
        return None
    options, module, arguments, environment, folder, ignored = marshal.loads(body)  # noqa: S302 - ours
    return Request(
        options, module, arguments, environment, folder, ignored, streams[:3], streams[3]
    )


def load(module: str) -> None:
    """Load a module, or each module of a package but its `__main__`."""
    found = importlib.import_module(module)
    for each in pkgutil.walk_packages(getattr(found, "__path__", ()), f"{module}."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(f"{module}.__main__")
    if module == "omnia_cli":
        read_resources()
    # Neither this process nor a program goes through these objects again.
    gc.collect()
    gc.freeze()


def read_resources() -> None:
    """Have the schemas and the rules of resources compiled, which takes longer than most commands.

    A program does that once, for its first resource.
    """
    api: Any = importlib.import_module("omnia_operator.api")
    manifests: Any = importlib.import_module("omnia_cli.manifests")
    for document in manifests.load([*Path("examples").iterdir(), Path("tests/operator/data/spec")]):
        with contextlib.suppress(api.InvalidResource):
            api.parse(document.value)


def die_with(alive: int) -> None:
    """Have Linux kill this process when the pipe is closed.

    Whoever has waited for the end of a process that was killed relies on it: the program does
    nothing any more, however long the server has to wait for a processor.
    """
    fcntl.fcntl(alive, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(alive, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(alive, fcntl.F_SETFL, os.O_ASYNC)


def become(request: Request) -> None:
    """Make this process what was asked for."""
    os.setsid()
    die_with(request.alive)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in request.ignored:
        signal.signal(ignored, signal.SIG_IGN)
    for target, stream in enumerate(request.streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    at_once = "-u" in request.options or bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.dont_write_bytecode = "-B" in request.options
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the end
    sys.stdout = written(1, "strict", os.isatty(1), at_once)
    sys.stderr = written(2, "backslashreplace", True, at_once)
    sys.argv = ["", *request.arguments]
    # Where `-m` looks first.
    sys.path[0] = request.folder
    sys.modules["__main__"] = types.ModuleType("__main__")
    # It runs from its beginning: what was loaded of it is another module.
    for name in (request.module, f"{request.module}.__main__"):
        if not hasattr(sys.modules.get(name), "__path__"):
            sys.modules.pop(name, None)


def written(descriptor: int, errors: str, by_line: bool, at_once: bool) -> io.TextIOWrapper:
    """Open a standard stream as Python does."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        raw if at_once else io.BufferedWriter(raw),
        encoding="utf-8",
        errors=errors,
        line_buffering=by_line and not at_once,
        write_through=at_once,
    )


def run(module: str) -> int:
    """Run a module as `python -m` does; return the exit code, or a signal's number as negative."""
    run_as_main: Any = runpy._run_module_as_main  # type: ignore[attr-defined] # what `-m` calls
    try:
        run_as_main(module)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)  # noqa: T201 - as Python
        return 1
    except KeyboardInterrupt as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT
    except BaseException as error:  # noqa: BLE001 - as Python
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def main() -> None:
    """Serve; the first argument is the number of the listening socket."""
    gc.disable()
    sys.executable = sys.argv[2]
    sys.path.insert(0, str(Path.cwd()))
    request = Server(socket.socket(fileno=int(sys.argv[1]))).serve(sys.stdin.fileno())
    if request is None:
        return
    gc.enable()
    become(request)
    code = run(request.module)
    # As Python ends, but for taking its modules apart.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
