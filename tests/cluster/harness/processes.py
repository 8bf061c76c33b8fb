"""The long-running programs of the cluster: started once, found again by their pid files."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.addresses import NAMESPACE_PATH
from tests.cluster.harness.commands import Argument
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.paths import Layout
from tests.cluster.harness.waiting import wait_until


@dataclass(frozen=True)
class Identity:
    """A process beyond doubt: a pid is used again some day, with another start time."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return the identity of a running process; None when there is none, or a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        state, started = fields[0], fields[19]
        return None if state == "Z" else cls(pid, started)

    def alive(self) -> bool:
        """Tell whether exactly this process still runs."""
        return Identity.of(self.pid) == self


@dataclass(frozen=True)
class Processes:
    """The processes that the harness started."""

    layout: Layout

    def start(self, name: str, *command: Argument) -> None:
        """Start a program in the cluster's network, unless it runs already."""
        if self.running(name):
            return
        self.layout.pids.mkdir(parents=True, exist_ok=True)
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            # nsenter becomes the program. Not `ip netns exec`: that one mounts a new /sys, and
            # hides the cgroups from the kubelet. The umask keeps unpacked images readable.
            process = subprocess.Popen(
                ["nsenter", f"--net={NAMESPACE_PATH}", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
            )
        identity = Identity.of(process.pid)
        if identity is None:
            raise HarnessError(f"{name} ended at once; see {self.log(name)}")
        self._file(name).write_text(f"{identity.pid} {identity.started}\n")

    def stop(self, name: str, *, seconds: float = 10) -> None:
        """End a process that was started here; kindly, then by force."""
        identity = self._identity(name)
        if identity is not None:
            end(identity, seconds=seconds)
        self._file(name).unlink(missing_ok=True)

    def running(self, name: str) -> bool:
        """Tell whether a program runs."""
        identity = self._identity(name)
        return identity is not None and identity.alive()

    def pid(self, name: str) -> int | None:
        """Return the pid of a running program."""
        identity = self._identity(name)
        return identity.pid if identity and identity.alive() else None

    def log(self, name: str) -> Path:
        """Return the log of a program."""
        return self.layout.logs / f"{name}.log"

    def _file(self, name: str) -> Path:
        return self.layout.pids / name

    def _identity(self, name: str) -> Identity | None:
        try:
            pid, started = self._file(name).read_text().split()
        except (OSError, ValueError):
            return None
        return Identity(int(pid), started)


def end(identity: Identity, *, seconds: float) -> None:
    """End one process."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not identity.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, sign)
        with contextlib.suppress(HarnessError):
            wait_until("end", lambda: not identity.alive(), seconds=seconds)
