"""CPU of one streamed answer of ten chunks, as `make bench-providers` prints it.

A vendor's server in a process of its own streams chat completions. This process reads the answers
in four ways, in turns, and counts its own CPU time:

- aiohttp with an SSE parser and nothing else: the yardstick,
- the OpenAI adapter, which maps the request, decodes each chunk and yields events,
- the same as a turn gets it: with the Provider's defaults, retries and metrics around it,
- a whole turn of the runtime: its session, prompt, agent loop and validators, the answer handed to
  a function instead of the transport.

What is compared is the ratio within one round; the absolute times depend on the machine.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

import orjson
import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.model_server import CHUNKS, WORD, serve
from benchmarks.provider_turn import whole_turn
from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel, ChatRequest, TextDelta
from omnia_runtime.providers.models import open_models
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.providers.openai.chat import chat_body
from omnia_runtime.providers.sse import SSEParser

ROOT = Path(__file__).parents[1]
GOAL = 1.6
YARDSTICK = "aiohttp with an SSE parser"
REQUEST = ChatRequest(
    "You help customers of a shop.",
    [
        Message("user", "Where is my order?"),
        Message("assistant", "Which one?"),
        Message("user", "7"),
    ],
)

Turn = Callable[[], Awaitable[int]]  # returns the characters of the answer


async def main() -> None:
    """Run the rounds, print the table, and write it to benchmarks/out/provider_stream.json."""
    asked = options(None)
    _report(await measured(asked), asked)


async def measured(asked: argparse.Namespace) -> list[dict[str, float]]:
    """Return the CPU microseconds of a turn in each way, one mapping for each round."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    server.start()
    try:
        url = f"http://127.0.0.1:{await asyncio.to_thread(ours.recv)}/v1"
        return await _rounds(url, asked)
    finally:
        server.kill()
        server.join()


def options(words: list[str] | None) -> argparse.Namespace:
    """Return what `words` ask for; None is the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=1000, help="of one way in one round")
    parser.add_argument("--conversations", type=int, default=25, help="at the same time")
    return parser.parse_args(words)


async def _rounds(url: str, options: argparse.Namespace) -> list[dict[str, float]]:
    client = HTTPClient()
    ways = {
        YARDSTICK: _bare(url, client),
        "adapter": _asked(_adapter(url, client)),
        "adapter as in a turn": _asked(_chain(url, client)),
        "turn of the runtime": whole_turn(url, client, REQUEST.messages[-1].content),
    }
    rounds = []
    for number in range(options.rounds + 1):
        print(
            f"round {number} of {options.rounds}{'' if number else ' (warm-up)'}", file=sys.stderr
        )
        # who comes first differs from round to round
        order = list(ways) if number % 2 else list(reversed(ways))
        found = {name: await _cpu(ways[name], options) for name in order}
        rounds += [found] if number else []
    await client.close()
    return rounds


async def _cpu(turn: Turn, options: argparse.Namespace) -> float:
    """Return the CPU microseconds of one turn."""
    left = iter(range(options.turns))

    async def conversation() -> None:
        for _ in left:
            characters = await turn()
            if characters != CHUNKS * len(WORD):
                raise RuntimeError(f"{characters} characters are not the whole answer")

    began = time.process_time()
    await asyncio.gather(*(conversation() for _ in range(options.conversations)))
    turns: int = options.turns
    return (time.process_time() - began) / turns * 1e6


def _bare(url: str, client: HTTPClient) -> Turn:
    body = orjson.dumps(chat_body(ProviderConfig("p", "vllm", "m", base_url=url), REQUEST))
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}

    async def turn() -> int:
        session, parser, events = client.session(), SSEParser(), 0
        async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
            async for piece in response.content.iter_any():
                events += len(parser.feed(piece))
        # role, chunks, finish reason, usage, [DONE]
        return (events - 4) * len(WORD)

    return turn


def _asked(model: ChatModel) -> Turn:
    async def turn() -> int:
        characters = 0
        async for event in model.stream(REQUEST):
            if type(event) is TextDelta:
                characters += len(event.text)
        return characters

    return turn


def _adapter(url: str, client: HTTPClient) -> ChatModel:
    return OpenAIModel(ProviderConfig("default", "vllm", "m", base_url=url), None, "", client)


def _chain(url: str, client: HTTPClient) -> ChatModel:
    metrics = RuntimeMetrics(CollectorRegistry(), "agent", "default")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "providers.yaml"
        provider = {"name": "default", "type": "vllm", "model": "m", "baseURL": url}
        path.write_text(json.dumps({"providers": [provider]}))
        return open_models(str(path), {}, client, metrics).chain()


def ratios(found: dict[str, float]) -> dict[str, float]:
    """Return each way as a ratio of the yardstick, of one round."""
    return {name: cost / found[YARDSTICK] for name, cost in found.items() if name != YARDSTICK}


def _report(rounds: list[dict[str, float]], options: argparse.Namespace) -> None:
    rows = {}
    for name in sorted(rounds[0], key=lambda name: (name != YARDSTICK, name)):
        rows[f"{name}, CPU us"] = [each[name] for each in rounds]
        if name != YARDSTICK:
            rows[f"{name}, ratio"] = [each[name] / each[YARDSTICK] for each in rounds]
    table = {
        name: {
            "median": round(statistics.median(values), 3),
            "min": round(min(values), 3),
            "max": round(max(values), 3),
        }
        for name, values in rows.items()
    }
    machine = (
        f"{platform.python_implementation()} {platform.python_version()}, aiohttp "
        f"{version('aiohttp')}, uvloop {version('uvloop')}, {os.cpu_count()} cores, "
        f"{platform.machine()}, {options.turns} turns of {CHUNKS} chunks in each of "
        f"{options.rounds} rounds, {options.conversations} at the same time"
    )
    print(machine)
    print(f"{'':40}{'median':>9}{'min':>9}{'max':>9}{'goal':>9}")
    for name, row in table.items():
        goal = f"{GOAL:9.1f}" if name.endswith("ratio") else ""
        print(f"{name:40}{row['median']:9.2f}{row['min']:9.2f}{row['max']:9.2f}{goal}")
    out = ROOT / "benchmarks/out"
    out.mkdir(exist_ok=True)
    (out / "provider_stream.json").write_text(json.dumps({"machine": machine, **table}, indent=2))


if __name__ == "__main__":
    uvloop.run(main())
