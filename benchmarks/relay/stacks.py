"""The stacks that are compared: each serves WebSocket on a port and answers "N:US"."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.relay.build import HERE, OUT, ROOT
from benchmarks.relay.processes import (
    LOAD_CORE,
    SERVERS_CORE,
    environment,
    running,
    wait_for_port,
)
from omnia_cli.local.agent import AgentPorts, LocalAgent, Machine, localise
from omnia_cli.local.desired import desired
from omnia_cli.local.objects import Addresses
from omnia_cli.local.ports import Ports
from omnia_cli.local.process import write_files
from omnia_cli.manifests import load
from omnia_operator.plan import Settings

_CHUNK = "The quick brown fox jumps over the lazy"


@dataclass(frozen=True)
class Serving:
    """A stack that runs.

    Attributes:
        port: where its facade listens.
        pids: its processes, the facade first.
        beside: what runs on the load generator's core for it.
    """

    port: int
    pids: tuple[int, ...]
    beside: tuple[int, ...] = ()


Stack = Callable[[], AbstractContextManager[Serving]]


def mock_manifest() -> str:
    """Return an agent that answers "N:US" from the mock provider."""
    text = (HERE / "agent.yaml").read_text()
    return text.replace("HUNDRED", _CHUNK * 100).replace("TEN", _CHUNK * 10)


def vendor_manifest(port: int) -> str:
    """Return an agent whose model is the server on a port of this machine."""
    return (HERE / "vendor.yaml").read_text().replace("VENDOR", f"http://127.0.0.1:{port}/v1")


def function_manifest() -> str:
    """Return the example `echo-function`."""
    return (ROOT / "examples/echo-function/function.yaml").read_text()


@contextmanager
def omnia(transport: str = "") -> Iterator[Serving]:
    """Run our facade and runtime with the mock provider as the model."""
    more = {"OMNIA_GRPC_TRANSPORT": transport} if transport else {}
    with _agent(mock_manifest(), more) as serving:
        yield serving


@contextmanager
def omnia_with_vendor() -> Iterator[Serving]:
    """Run our facade and runtime with the OpenAI adapter, and a vendor's server for it."""
    with closing(Ports()) as ports:
        port = ports.any()
    with running((OUT / "vendor", port), LOAD_CORE) as vendor:
        wait_for_port(port, vendor)
        with _agent(vendor_manifest(port), {}) as serving:
            yield replace(serving, beside=(vendor.pid,))


@contextmanager
def function() -> Iterator[Serving]:
    """Run a function."""
    with _agent(function_manifest(), {}) as serving:
        yield serving


def local_agent(manifest: str, folder: Path) -> LocalAgent:
    """Return the processes of a manifest's agent, as `omnia up` plans them, with its defaults."""
    path = folder / "agent.yaml"
    path.write_text(manifest)
    wanted = desired(load([path]), {}, Settings())
    plan = next(iter(wanted.plans.values()))
    # Not the manifest's port: another run of the bench may look for it at the same time.
    with closing(Ports()) as ports:
        chosen = AgentPorts.choose(ports.any(), ports)
    return localise(plan, chosen, Machine(folder, wanted.objects, Addresses(), environment()))


@contextmanager
def _agent(manifest: str, more: Mapping[str, str]) -> Iterator[Serving]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        local = local_agent(manifest, Path(folder))
        pids = []
        for spec, port in zip(
            reversed(local.processes), (local.ports.grpc, local.ports.client), strict=True
        ):
            write_files({}, spec)
            given = {**spec.environment, **more}
            started = running(spec.command, SERVERS_CORE, given, OUT / "programs.log")
            process = stack.enter_context(started)
            wait_for_port(port, process)
            pids.append(process.pid)
        yield Serving(local.ports.client, tuple(reversed(pids)))


@contextmanager
def go(*flags: str) -> Iterator[Serving]:
    """Run a facade and a runtime in Go."""
    with closing(Ports()) as ports:
        client, grpc = ports.any(), ports.any()
    runtime = f"127.0.0.1:{grpc}"
    one_core = {**environment(), "GOMAXPROCS": "1"}
    with running((OUT / "runtime", "-address", runtime), SERVERS_CORE, one_core) as back:
        wait_for_port(grpc, back)
        command = (OUT / "facade", "-address", f"127.0.0.1:{client}", "-runtime", runtime, *flags)
        with running(command, SERVERS_CORE, one_core) as front:
            wait_for_port(client, front)
            yield Serving(client, (front.pid, back.pid))


@contextmanager
def floor() -> Iterator[Serving]:
    """Run the C program that only sends frames."""
    with closing(Ports()) as ports:
        port = ports.any()
    with running((OUT / "floor", port), SERVERS_CORE) as process:
        wait_for_port(port, process)
        yield Serving(port, (process.pid,))


STACKS: dict[str, Stack] = {
    "omnia": omnia,
    "omnia-grpcio": partial(omnia, "grpcio"),
    "go-lean": go,
    "go-omnia-shape": partial(go, "-shape=omnia"),
    "go-omnia-shape-gzip": partial(go, "-shape=omnia", "-gzip"),
    "c-floor": floor,
}
