"""Servers that the tests start themselves, on the loopback address."""

import contextlib
import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator

LIMIT = 20.0


# Below the ports of outgoing connections, which may take one between its choice and its use, and
# apart for each worker of a test run.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 10
_PORTS = itertools.count(10_000 + 1000 * _WORKER + os.getpid() % 500)


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError


@contextlib.contextmanager
def redis_server(program: str, folder: str) -> Iterator[str]:
    """Run a Redis that keeps nothing on disk; yield its URL."""
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_listening(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(LIMIT)


def _wait_listening(port: int) -> None:
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
