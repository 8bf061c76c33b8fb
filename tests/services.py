"""Servers that the tests start themselves, on the loopback address."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

LIMIT = 100.0


async def close_with_clients(server: asyncio.AbstractServer) -> None:
    """Close a server, and at once the connections of clients that have not left.

    A connection that is left to the end of the loop is a leak of whichever test runs next.
    """
    server.close()
    if sys.version_info >= (3, 13):
        server.abort_clients()
    # What was aborted is closed by the loop.
    await asyncio.sleep(0)


def ends_with_us(*command: str | Path, number: signal.Signals = signal.SIGTERM) -> list[str | Path]:
    """Return a command whose program gets a signal when the process that starts it dies.

    A test run that is killed cannot end its servers. Only Linux has this.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, f"--pdeathsig={number.name[3:]}", *command] if setpriv else [*command]


@contextlib.asynccontextmanager
async def connections_served(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Serve, and yield the port; what handles a connection ends with the server, whatever it does.

    Where a handler waits for something else than its client, the end of that client does not end
    it.
    """
    handling: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        handling.add(task)
        try:
            await handle(reader, writer)
        finally:
            handling.discard(task)

    server = await asyncio.start_server(handled, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        left = list(handling)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await close_with_clients(server)


SOAK_SECONDS = int(os.environ.get("SOAK_SECONDS", "600"))
"""How long a test with the marker `soak` lasts."""


# Below the ports of outgoing connections, which may take one between its choice and its use.
FIRST_PORT, LAST_PORT, BLOCK = 10_000, 20_000, 50
HELD_BLOCKS = 12


def _ports() -> Iterator[int]:
    """Yield ports that no other process of any test run on this machine is given meanwhile.

    A process holds blocks of them, each by an address of which Linux has one for each machine.
    """
    blocks = range(FIRST_PORT, LAST_PORT, BLOCK)
    held: deque[socket.socket] = deque()
    block, missed = os.getpid() % len(blocks), 0
    try:
        while missed < len(blocks):
            block, missed = (block + 1) % len(blocks), missed + 1
            holder = socket.socket(socket.AF_UNIX)
            try:
                if sys.platform == "linux":
                    holder.bind(f"\0omnia-tests-ports-{blocks[block]}")
            except OSError:
                holder.close()
                continue
            held.append(holder)
            missed = 0
            yield from range(blocks[block], blocks[block] + BLOCK)
            if len(held) > HELD_BLOCKS:
                held.popleft().close()
    finally:
        for each in held:
            each.close()


_PORTS = _ports()
# Browsers open no page at these ("bad port" of the Fetch standard), of those above 1023.
_BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670)}
    | {6679, 6697, 10080}
)


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on, and that a browser opens."""
    for port in _PORTS:
        if port in _BAD_PORTS:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("test runs hold all ports")


@contextlib.contextmanager
def redis_server(program: str, folder: str) -> Iterator[str]:
    """Run a Redis that keeps nothing on disk; yield its URL."""
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(ends_with_us(*command), stdout=subprocess.DEVNULL)
    try:
        wait_listening(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(LIMIT)


class RedisServer:
    """A Redis that writes every change to its folder before it confirms it, and can be killed."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        always = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        address = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command = ends_with_us(program, *address, *always)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_listening(self.port)

    def freeze(self) -> None:
        """Let it answer nobody, and keep its connections."""
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process:
            self._process.kill()
            self._process.wait(LIMIT)
            self._process = None


class PostgresServer:
    """A PostgreSQL with its data in a folder, which can be stopped and started again.

    The server refuses to run as root: then it runs as the user `postgres` of Debian's package.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._programs = programs
        self._data = folder / "data"
        self._as: list[str | Path] = []
        if os.geteuid() == 0:
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres", "postgres")
        self._process: subprocess.Popen[bytes] | None = None
        initdb: list[str | Path] = [self._programs / "initdb", "-D", self._data, "--no-sync"]
        subprocess.run(
            [*self._as, *initdb, "-U", "postgres", "--auth=trust", "--encoding=UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        program: list[str | Path] = [self._programs / "postgres", "-D", self._data, *settings]
        self._process = subprocess.Popen(
            # Inside: a change of the user drops it.
            [*self._as, *ends_with_us(*program, number=signal.SIGINT)],
            stderr=subprocess.DEVNULL,
            cwd=self._data,
        )
        ready = (self._programs / "pg_isready", "--quiet", "-h", "127.0.0.1", "-p", str(self.port))
        deadline = time.monotonic() + LIMIT
        while subprocess.run(ready, check=False).returncode != 0:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server; connections are cut."""
        if self._process:
            # "fast": PostgreSQL's SIGTERM waits for clients to leave
            self._process.send_signal(signal.SIGINT)
            self._process.wait(LIMIT)
            self._process = None


@contextlib.contextmanager
def postgres_server(programs: Path) -> Iterator[PostgresServer]:
    """Run a PostgreSQL that trusts everybody who reaches the loopback address.

    Its folder is not one of pytest's: into those no other user may look.
    """
    with tempfile.TemporaryDirectory(prefix="omnia-postgres-") as folder:
        server = PostgresServer(programs, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


class MongoServer:
    """A server of MongoDB's protocol (`tests/mongo`), which can be killed and started again.

    Attributes:
        url: of a database that has nothing at first.
    """

    def __init__(self, program: Path, *arguments: str, tls: bool = False) -> None:
        """`arguments` say where the server keeps its data."""
        self.port = free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/omnia{'?tls=true' if tls else ''}"
        address = ("-listen", f"127.0.0.1:{self.port}")
        self._command = ends_with_us(program, *address, *arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it listens."""
        self._process = subprocess.Popen(self._command)
        wait_listening(self.port)

    def stop(self) -> None:
        """Stop the server; connections are cut."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(LIMIT)
            self._process = None


def wait_listening(port: int, seconds: float = LIMIT) -> None:
    """Wait until something listens on a port of the loopback address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
