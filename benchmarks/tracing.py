"""The CPU cost of metrics and of tracing for one turn, as `make bench-tracing` prints it.

Four pairs of the shipped programs run side by side: with metrics that count nothing
(`benchmarks.without_metrics`; no setting does that), as they are by default, with tracing of all
turns, and with tracing of one turn in ten. A vendor's server and a collector run as processes of
their own; WebSocket clients ask the pairs in turn. Counted is the CPU time of facade and runtime
together, exporting included, beyond what they use when they are idle, which is a row of its own: in
a round each pair idles while the others are asked. Compared is the ratio within one round, in which
the pairs are asked alternately, 50 turns at a time.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.model_server import CHUNKS, serve
from benchmarks.pack import PACK
from tests.services import free_port

ROOT = Path(__file__).parents[1]
LIMIT = 30.0
BARE, METRICS = "without metrics", "with metrics"
TRACED, SAMPLED = "traced, sampling 1.0", "traced, sampling 0.1"
# Ratios of one pair to another, each with its goal.
RATIOS = {
    "ratio of metrics": (METRICS, BARE, 1.10),
    "ratio of tracing at 1.0": (TRACED, METRICS, 1.30),
    "ratio of tracing at 0.1": (SAMPLED, METRICS, 1.05),
}
# Turns after which the next pair is asked, so that other load of the machine hits all alike.
SLICE = 50
# Longer than spans wait before they are exported.
IDLE_SECONDS = 6.0
MESSAGE = '{"type": "message", "content": "Where is my order?"}'


class Pair:
    """A facade and a runtime."""

    def __init__(
        self, folder: Path, model: str, launcher: tuple[str, ...], **variables: str
    ) -> None:
        """Start them; `model` is the URL of the vendor, `launcher` a module that runs them."""
        self.ports = [free_port() for _ in range(4)]
        facade, facade_health, runtime, runtime_health = map(str, self.ports)
        provider = {"name": "default", "type": "vllm", "model": "m", "baseURL": model}
        (folder / "pack.json").write_text(json.dumps(PACK))
        (folder / "providers.yaml").write_text(json.dumps({"providers": [provider]}))
        common = {
            **os.environ,
            "OMNIA_AGENT_NAME": "agent",
            "OMNIA_BIND_ADDRESS": "127.0.0.1",
            "LOG_LEVEL": "warning",
            **variables,
        }
        runtime_env = {
            "OMNIA_GRPC_PORT": runtime,
            "OMNIA_HEALTH_PORT": runtime_health,
            "OMNIA_PROMPTPACK_PATH": str(folder / "pack.json"),
            "OMNIA_PROVIDERS_PATH": str(folder / "providers.yaml"),
            "OMNIA_TOOLS_CONFIG_PATH": str(folder / "tools.yaml"),
        }
        facade_env = {
            "OMNIA_RUNTIME_ADDRESS": f"127.0.0.1:{runtime}",
            "OMNIA_FACADE_PORT": facade,
            "OMNIA_HEALTH_PORT": facade_health,
            "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true",
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", *launcher, name], env={**common, **own}, cwd=ROOT
            )
            for name, own in (("omnia_runtime", runtime_env), ("omnia_facade", facade_env))
        ]

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.ports[0]}/ws"

    def wait_ready(self) -> None:
        """Wait for 200 from the facade's `/readyz`."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                url = f"http://127.0.0.1:{self.ports[1]}/readyz"
                with urllib.request.urlopen(url, timeout=LIMIT):
                    return
            time.sleep(0.02)
        raise TimeoutError("the pair was not ready in time")

    def cpu(self) -> float:
        """Return the seconds of CPU that both have used, with those of all threads."""
        # The scheduler's own count: the clock ticks of `stat` are 10 ms.
        counts = (
            (thread / "schedstat").read_text().split()[0]
            for process in self.processes
            for thread in Path(f"/proc/{process.pid}/task").iterdir()
        )
        return sum(map(int, counts)) / 1e9

    def stop(self) -> None:
        """End both."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(LIMIT)


async def main() -> None:
    """Run the rounds, print the table, and write it to benchmarks/out/tracing.json."""
    options = _options()
    with contextlib.ExitStack() as stack:
        model = f"http://127.0.0.1:{stack.enter_context(in_process(serve))}/v1"
        collector = f"127.0.0.1:{stack.enter_context(in_process(_collect))}"
        on = {"OMNIA_TRACING_ENABLED": "true", "OMNIA_TRACING_ENDPOINT": collector}
        pairs = {}
        for name, launcher, variables in (
            (BARE, ("benchmarks.without_metrics",), {}),
            (METRICS, (), {}),
            (TRACED, (), on),
            (SAMPLED, (), {**on, "OMNIA_TRACING_SAMPLE_RATE": "0.1"}),
        ):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            pairs[name] = Pair(folder, model, launcher, **variables)
            stack.callback(pairs[name].stop)
        for pair in pairs.values():
            await asyncio.to_thread(pair.wait_ready)
        rounds = await _rounds(pairs, options)
    report(rounds, options, RATIOS, "tracing.json")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turns", type=int, default=500, help="of each pair in one round")
    parser.add_argument("--conversations", type=int, default=25, help="at the same time")
    return parser.parse_args()


async def _rounds(pairs: dict[str, Pair], options: argparse.Namespace) -> list[dict[str, float]]:
    rounds = []
    async with contextlib.AsyncExitStack() as stack:
        sockets = {
            name: [
                await stack.enter_async_context(connect(pair.url, compression=None))
                for _ in range(options.conversations)
            ]
            for name, pair in pairs.items()
        }
        for socket in itertools.chain(*sockets.values()):
            await socket.recv()
        idle: dict[str, float] = {}
        for number in range(options.rounds + 1):
            note = "" if number else " (warm-up)"
            print(f"round {number} of {options.rounds}{note}", file=sys.stderr)
            found = await one_round(pairs, sockets, options.turns, idle)
            idle = idle or await idle_cpu(pairs)  # the first time after the warm-up
            rounds += [found] if number else []
    print("CPU us per second when idle:", *(f"{name} {idle[name] * 1e6:.0f};" for name in idle))
    return rounds


async def idle_cpu(pairs: dict[str, Pair]) -> dict[str, float]:
    """Return the CPU seconds that each pair uses in a second without turns."""
    began = {name: pair.cpu() for name, pair in pairs.items()}
    await asyncio.sleep(IDLE_SECONDS)
    return {name: (pair.cpu() - began[name]) / IDLE_SECONDS for name, pair in pairs.items()}


async def one_round(
    pairs: dict[str, Pair],
    sockets: dict[str, list[ClientConnection]],
    turns: int,
    idle: dict[str, float],
) -> dict[str, float]:
    """Return the CPU microseconds of one turn of each pair; they are asked alternately."""
    began, start = {name: pair.cpu() for name, pair in pairs.items()}, time.monotonic()
    order = list(pairs)
    for _ in range(turns // SLICE):
        for name in order:
            await _asked(sockets[name])
        order.reverse()
    # The last batch is exported within five seconds.
    await asyncio.sleep(IDLE_SECONDS)
    done, took = turns // SLICE * SLICE, time.monotonic() - start
    return {
        name: (pair.cpu() - began[name] - idle.get(name, 0.0) * took) / done * 1e6
        for name, pair in pairs.items()
    }


async def _asked(sockets: list[ClientConnection]) -> None:
    left = iter(range(SLICE))

    async def conversation(socket: ClientConnection) -> None:
        for _ in left:
            await socket.send(MESSAGE)
            chunks = 0
            while (frame := json.loads(await socket.recv()))["type"] != "done":
                chunks += frame["type"] == "chunk"
            if chunks != CHUNKS:
                raise RuntimeError(f"{chunks} chunks are not the whole answer")

    await asyncio.gather(*map(conversation, sockets))


@contextlib.contextmanager
def in_process(target: Callable[[Connection], None]) -> Iterator[int]:
    """Run a server in a process of its own; yield its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs,))
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.kill()
        process.join()


def _collect(connection: Connection) -> None:
    from tests.collector import Spans, grpc_collector  # noqa: PLC0415 - in this process only

    with grpc_collector(Spans()) as address:
        connection.send(int(address.rpartition(":")[2]))
        connection.poll(None)


def report(
    rounds: list[dict[str, float]],
    options: argparse.Namespace,
    ratios: Mapping[str, tuple[str, str, float]],
    file: str,
) -> None:
    """Print the table, and write it to a file of `benchmarks/out`."""
    rows: dict[str, list[float]] = {
        f"{name}, CPU us": [found[name] for found in rounds] for name in rounds[0]
    }
    for ratio, (above, below, _) in ratios.items():
        rows[ratio] = [found[above] / found[below] for found in rounds]
    table: dict[str, Any] = {
        name: {
            "median": round(statistics.median(values), 3),
            "min": round(min(values), 3),
            "max": round(max(values), 3),
        }
        for name, values in rows.items()
    }
    machine = (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.machine()}, {options.turns} turns of {CHUNKS} chunks in each of "
        f"{options.rounds} rounds, {options.conversations} at the same time"
    )
    print(machine)
    print(f"{'':32}{'median':>9}{'min':>9}{'max':>9}{'goal':>9}")
    for name, row in table.items():
        goal = f"{ratios[name][2]:9.2f}" if name in ratios else ""
        print(f"{name:32}{row['median']:9.2f}{row['min']:9.2f}{row['max']:9.2f}{goal}")
    out = ROOT / "benchmarks/out"
    out.mkdir(exist_ok=True)
    (out / file).write_text(json.dumps({"machine": machine, **table}, indent=2))


if __name__ == "__main__":
    uvloop.run(main())
