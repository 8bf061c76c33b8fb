"""The operator as a process of this machine, on a real cluster: it can be measured and killed."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from omnia_core.env import OperatorEnv
from tests.cluster.harness.waiting import wait_until
from tests.services import free_port

ROOT = Path(__file__).parents[2]
LIMIT = 120.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class LocalOperator:
    """`python -m omnia_operator` with the administrator's rights, its Lease beside its agents."""

    def __init__(self, kubeconfig: Path, lease_namespace: str, *watched: str) -> None:
        self._port = free_port()
        env = OperatorEnv(
            facade_image="localhost/facade:none",
            runtime_image="localhost/runtime:none",
            watch_namespaces=watched,
            lease_namespace=lease_namespace,
            lease_identity="local",
            bind_address="127.0.0.1",
            health_port=self._port,
            log_level="warning",
        )
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        rendered = {each.name: each.value or "" for each in env.render()}
        self._environment = {**inherited, **rendered, "KUBECONFIG": str(kubeconfig)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; return when it has listed the cluster."""
        command = [sys.executable, "-m", "omnia_operator"]
        self._process = subprocess.Popen(command, env=self._environment, cwd=ROOT)
        wait_until("the operator is ready", self._ready, seconds=LIMIT)

    def stop(self) -> None:
        """End it as Kubernetes does."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it without a warning."""
        self._running.kill()
        self._running.wait(LIMIT)
        self._process = None

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        with urllib.request.urlopen(self._url("metrics"), timeout=LIMIT) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if re.match(rf"{name}[ {{]", line)
            and all(f'{key}="{value}"' in line for key, value in labels.items())
        )

    @property
    def cpu_seconds(self) -> float:
        """CPU time that it has used so far."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident_bytes(self) -> int:
        """Memory that it has now."""
        return int(self._proc("statm").split()[1]) * _PAGE

    @property
    def largest_resident_bytes(self) -> int:
        """The most memory that it ever had."""
        (line,) = (each for each in self._proc("status").splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _ready(self) -> bool:
        code = self._running.poll()
        assert code is None, f"the operator ended with {code}"
        try:
            with urllib.request.urlopen(self._url("readyz"), timeout=LIMIT):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/{path}"

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self._running.pid}/{file}").read_text()
