"""CPU of one streamed answer of ten chunks, as `make bench-providers` prints it.

A vendor's server in a process of its own streams chat completions; each chunk is a write of its
own, some milliseconds after the one before, as models talk. This process reads the answers in
three ways, in turns, and counts its own CPU time:

- aiohttp with an SSE parser and nothing else: the yardstick,
- the OpenAI adapter, which maps the request, decodes each chunk and yields events,
- the same as a turn gets it: with the Provider's defaults, retries and metrics around it.

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
from multiprocessing.connection import Connection
from pathlib import Path

import orjson
import uvloop
from prometheus_client import CollectorRegistry

from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.metrics import Metrics
from omnia_runtime.providers.choose import open_models
from omnia_runtime.providers.openai import OpenAIModel
from omnia_runtime.providers.openai_request import chat_body
from omnia_runtime.providers.port import ChatModel, ChatRequest, TextDelta
from omnia_runtime.providers.sse import SSEParser

ROOT = Path(__file__).parents[1]
CHUNKS = 10
WORD = "thirty-nine bytes of a chunk of answer."
PAUSE = 0.004
GOAL = 1.6
REQUEST = ChatRequest(
    "You help customers of a shop.",
    [
        Message("user", "Where is my order?"),
        Message("assistant", "Which one?"),
        Message("user", "7"),
    ],
)

Turn = Callable[[], Awaitable[int]]


async def main() -> None:
    """Run the rounds, print the table, and write it to benchmarks/out/provider_stream.json."""
    options = _options()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    server.start()
    try:
        url = f"http://127.0.0.1:{await asyncio.to_thread(ours.recv)}/v1"
        rounds = await _rounds(url, options)
    finally:
        server.kill()
        server.join()
    _report(rounds, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=1000, help="of one way in one round")
    parser.add_argument("--conversations", type=int, default=25, help="at the same time")
    return parser.parse_args()


async def _rounds(url: str, options: argparse.Namespace) -> list[dict[str, float]]:
    client = HTTPClient()
    ways = {
        "aiohttp with an SSE parser": _bare(url, client),
        "adapter": _asked(_adapter(url, client)),
        "adapter as in a turn": _asked(_chain(url, client)),
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
    return (time.process_time() - began) / options.turns * 1e6


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
    metrics = Metrics(CollectorRegistry(), "agent", "default")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "providers.yaml"
        provider = {"name": "default", "type": "vllm", "model": "m", "baseURL": url}
        path.write_text(json.dumps({"providers": [provider]}))
        return open_models(str(path), {}, client, metrics).chain()


def _report(rounds: list[dict[str, float]], options: argparse.Namespace) -> None:
    yardstick = next(iter(sorted(rounds[0], key=lambda name: not name.startswith("aiohttp"))))
    rows = {}
    for name in sorted(rounds[0], key=lambda name: (name != yardstick, name)):
        rows[f"{name}, CPU us"] = [each[name] for each in rounds]
        if name != yardstick:
            rows[f"{name}, ratio"] = [each[name] / each[yardstick] for each in rounds]
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


def serve(connection: Connection) -> None:
    """Serve chat completions, and send the port through `connection`."""
    uvloop.run(_answer_for_ever(connection))


async def _answer_for_ever(connection: Connection) -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0)
    connection.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pieces = _pieces()
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(PAUSE)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _pieces() -> list[bytes]:
    """Return what is written at once: the head with the first event, each chunk, the end."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    first = head + _event({"role": "assistant", "content": ""})
    words = [_event({"content": WORD}) for _ in range(CHUNKS)]
    usage = {"prompt_tokens": 40, "completion_tokens": 100, "total_tokens": 140}
    last = _event({}, "stop") + _event(None, usage=usage) + _http_chunk(b"data: [DONE]\n\n")
    return [first, *words, last + b"0\r\n\r\n"]


def _event(delta: object, finish: str | None = None, usage: object = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    chunk = {
        "id": "chatcmpl-0123456789abcdefghijklmnopqrs",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": choices if usage is None else [],
        "usage": usage,
    }
    return _http_chunk(b"data: " + orjson.dumps(chunk) + b"\n\n")


def _http_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


if __name__ == "__main__":
    uvloop.run(main())
