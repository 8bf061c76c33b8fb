"""1,000 open event streams at the doors of one facade on one core, and clients that do not read."""

import asyncio
import os
import time
from collections.abc import Callable

import orjson
import pytest

from tests.facade.test_program import environment
from tests.load.watched import allow_open_files, cores, on_core
from tests.services import free_port, wait_listening

STREAMS, CHUNKS, GAP = 1000, 40, 500
SILENT = 1000
LIMIT = 150.0


def chat(key: str, chunks: int, gap: int) -> tuple[str, bytes]:
    """A request at the AI SDK's door."""
    text = f"count {key} {chunks} {gap}"
    parts = [{"type": "text", "text": text}]
    body = {"id": key, "messages": [{"id": "1", "role": "user", "parts": parts}]}
    return "/api/chat", orjson.dumps(body)


def completions(key: str, chunks: int, gap: int) -> tuple[str, bytes]:
    """A request at OpenAI's door."""
    message = {"role": "user", "content": f"count {key} {chunks} {gap}"}
    body = {"model": "default", "stream": True, "messages": [message]}
    return "/v1/chat/completions", orjson.dumps({**body, "metadata": {"session_id": key}})


Door = Callable[[str, int, int], tuple[str, bytes]]


async def opened(
    port: int, door: Door, key: str, chunks: int, gap: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path, body = door(key, chunks, gap)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    return reader, writer


async def whole(port: int, door: Door, key: str, chunks: int, gap: int) -> int:
    """Read a stream to its end; return how many of its pieces came, each once and in order."""
    reader, writer = await opened(port, door, key, chunks, gap)
    try:
        text = (await reader.read()).decode()
    finally:
        writer.close()
    assert "data: [DONE]" in text, text[-300:]
    place, count = 0, 0
    for number in range(chunks):
        found = text.find(f"{key} {number} ", place)
        if found < 0:
            break
        assert text.count(f"{key} {number} ") == 1
        place, count = found, count + 1
    return count


async def all_of(port: int, door: Door) -> list[int]:
    """Read every stream, begun within one length of an answer."""

    async def one(number: int) -> int:
        await asyncio.sleep(number * CHUNKS * GAP / 1000 / STREAMS)
        return await whole(port, door, f"k{number}", CHUNKS, GAP)

    async with asyncio.timeout(LIMIT):
        return await asyncio.gather(*(one(number) for number in range(STREAMS)))


@pytest.mark.load
@pytest.mark.timeout(240)
@pytest.mark.parametrize("door", [chat, completions])
def test_one_core_carries_1000_open_streams(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := allow_open_files(2 * STREAMS + 500):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    own, others = cores()
    runtime_port = free_port()
    variables = environment(
        OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}",
        OMNIA_MAX_RUNS=str(STREAMS + 1),
        LOG_LEVEL="warning",
    )
    port = int(variables["OMNIA_FACADE_PORT"])
    with (
        on_core(others, "tests.load.streaming_runtime", str(runtime_port)),
        on_core(own, "omnia_facade", environment=variables) as program,
    ):
        wait_listening(runtime_port)
        wait_listening(port)
        idle, cpu, began = program.resident_mb, program.cpu_seconds, time.monotonic()
        counts = asyncio.run(all_of(port, door))
        share = (program.cpu_seconds - cpu) / (time.monotonic() - began)
        with capsys.disabled():
            print(  # noqa: T201 - the figures are what this is run for
                f"\n{door.__name__}: {STREAMS} streams, {sum(counts)} pieces,"
                f" {share:.0%} of a core,"
                f" {idle:.0f} to {program.resident_mb:.0f} MB"
            )
        assert counts == [CHUNKS] * STREAMS
        assert program.process.poll() is None


async def neighbours(port: int) -> int:
    """Open streams that nobody reads; return the pieces of one that is read beside them."""
    silent = [await opened(port, chat, f"s{number}", 1000, 2) for number in range(SILENT)]
    try:
        return await whole(port, chat, "reader", CHUNKS, 20)
    finally:
        for _, writer in silent:
            writer.transport.abort()


@pytest.mark.load
@pytest.mark.timeout(240)
def test_streams_that_nobody_reads_disturb_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    if reason := allow_open_files(2 * SILENT + 500):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    own, others = cores()
    runtime_port = free_port()
    variables = environment(
        OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}",
        OMNIA_MAX_RUNS=str(SILENT + 1),
        OMNIA_DRAIN_TIMEOUT="1s",
        LOG_LEVEL="error",
    )
    port = int(variables["OMNIA_FACADE_PORT"])
    with (
        on_core(others, "tests.load.streaming_runtime", str(runtime_port)),
        on_core(own, "omnia_facade", environment=variables) as program,
    ):
        wait_listening(runtime_port)
        wait_listening(port)
        assert asyncio.run(neighbours(port)) == CHUNKS
        with capsys.disabled():
            print(f"\n{SILENT} streams that nobody reads: {program.resident_mb:.0f} MB")  # noqa: T201 - as above
        assert program.process.poll() is None
        assert program.resident_mb < 256  # the limit of the chart
