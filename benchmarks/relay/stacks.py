"""The stacks that are compared: each serves WebSocket on a port and answers "N:US"."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.relay.build import HERE, OUT
from benchmarks.relay.processes import SERVERS_CORE, environment, running, wait_for_port
from omnia_cli.local.agent import AgentPorts, Machine, localise
from omnia_cli.local.desired import desired
from omnia_cli.local.objects import Addresses
from omnia_cli.local.ports import Ports
from omnia_cli.local.process import write_files
from omnia_cli.manifests import load
from omnia_operator.plan import Settings

_TEXT = "The quick brown fox jumps over the lazy" * 100


@dataclass(frozen=True)
class Serving:
    """A stack that runs.

    Attributes:
        port: where its facade listens.
        pids: its processes, the facade first.
    """

    port: int
    pids: tuple[int, ...]


Stack = Callable[[], AbstractContextManager[Serving]]


@contextmanager
def omnia(transport: str = "") -> Iterator[Serving]:
    """Run our facade and runtime as `omnia up` does, on their plan and defaults."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        manifest = Path(folder) / "agent.yaml"
        manifest.write_text((HERE / "agent.yaml").read_text().replace("REPEATED", _TEXT))
        wanted = desired(load([manifest]), {}, Settings())
        plan = next(iter(wanted.plans.values()))
        machine = Machine(Path(folder), wanted.objects, Addresses(), environment())
        local = localise(plan, AgentPorts.choose(plan, Ports(), alone=False), machine)
        more = {"OMNIA_GRPC_TRANSPORT": transport} if transport else {}
        pids = []
        for spec, port in zip(
            reversed(local.processes), (local.ports.grpc, local.ports.client), strict=True
        ):
            write_files({}, spec)
            given = {**spec.environment, **more, "LOG_LEVEL": "error"}
            pids.append(stack.enter_context(running(spec.command, SERVERS_CORE, given)).pid)
            wait_for_port(port)
        yield Serving(local.ports.client, tuple(reversed(pids)))


@contextmanager
def go(*flags: str) -> Iterator[Serving]:
    """Run a facade and a runtime in Go."""
    ports = Ports()
    client, grpc = ports.any(), ports.any()
    runtime = f"127.0.0.1:{grpc}"
    one_core = {**environment(), "GOMAXPROCS": "1"}
    with running((OUT / "runtime", "-address", runtime), SERVERS_CORE, one_core) as back:
        wait_for_port(grpc)
        command = (OUT / "facade", "-address", f"127.0.0.1:{client}", "-runtime", runtime, *flags)
        with running(command, SERVERS_CORE, one_core) as front:
            wait_for_port(client)
            yield Serving(client, (front.pid, back.pid))


@contextmanager
def floor() -> Iterator[Serving]:
    """Run the C program that only sends frames."""
    port = Ports().any()
    with running((OUT / "floor", port), SERVERS_CORE) as process:
        wait_for_port(port)
        yield Serving(port, (process.pid,))


STACKS: dict[str, Stack] = {
    "omnia": omnia,
    "omnia-grpcio": partial(omnia, "grpcio"),
    "go-lean": go,
    "go-omnia-shape": partial(go, "-shape=omnia"),
    "go-omnia-shape-gzip": partial(go, "-shape=omnia", "-gzip"),
    "c-floor": floor,
}
