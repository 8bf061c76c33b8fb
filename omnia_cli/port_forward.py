"""Ports of this machine that lead to Services of a cluster, each by a `kubectl port-forward`."""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import IO

from omnia_cli.cluster import PORT, SECONDS, forward_command, missing, unreachable
from omnia_cli.reaper import Reaper

# kubectl gives up by itself after SECONDS, and says why.
OPEN_SECONDS = SECONDS + 5
MAX_HEAD_BYTES = 4096
_PIECE_BYTES = 65536
_PORT = re.compile(rb"127\.0\.0\.1:(\d+) ->")


class PortForward:
    """A running `kubectl port-forward`, until it is closed or ends by itself.

    kubectl prints a line for each connection, and would stop when its pipe is full. So a thread
    reads what it prints; only the beginning is kept, for the port or the reason that there is none.

    Attributes:
        port: of this machine; a KubectlFailed if the Service cannot be reached.
    """

    def __init__(self, name: str, namespace: str, service_port: str, reaper: Reaper) -> None:
        """Start kubectl; it ends with this process.

        Raises:
            KubectlFailed: there is no kubectl.
        """
        self._name = name
        self._namespace = namespace
        self._reaper = reaper
        self.port: Future[int] = Future()
        # One caller that stops waiting does not take the port from the others.
        self.port.set_running_or_notify_cancel()
        try:
            # In a session of its own, because Ctrl-C is meant for this process.
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                forward_command(name, namespace, service_port),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise missing() from error
        reaper.watch(self._process.pid)
        assert self._process.stdout  # noqa: S101 - it is a pipe
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), daemon=True
        )
        self._reader.start()

    @property
    def is_open(self) -> bool:
        """Whether kubectl runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End kubectl, and what it has started."""
        if self.is_open:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self._reaper.forget(self._process.pid)

    def _read(self, output: IO[bytes]) -> None:
        head = b""
        with output:
            while piece := os.read(output.fileno(), _PIECE_BYTES):
                if self.port.done():
                    continue
                head = (head + piece)[:MAX_HEAD_BYTES]
                if found := _PORT.search(head):
                    self.port.set_result(int(found[1]))
        if not self.port.done():
            text = head.decode(errors="replace")
            self.port.set_exception(unreachable(self._name, self._namespace, text))


@contextlib.contextmanager
def forwarded(name: str, namespace: str, port: str = PORT) -> Iterator[int]:
    """Yield a port of this machine that leads to a Service, for as long as the context lasts.

    Raises:
        KubectlFailed: the port cannot be forwarded.
    """
    with (
        Reaper() as reaper,
        contextlib.closing(PortForward(name, namespace, port, reaper)) as forward,
    ):
        with contextlib.suppress(TimeoutError):
            forward.port.exception(OPEN_SECONDS)
        if not forward.port.done():
            forward.close()
        yield forward.port.result()
