"""The programs in C that offer load: what they count is what was there."""

import asyncio
import contextlib
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.conftest import Serve

CHUNK = "The quick brown fox jumps over the lazy"


def said(*command: object) -> dict[str, Any]:
    """Run a load generator to its end, and return what it counted."""
    ran = subprocess.run(
        [str(each) for each in command], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    *words, counted = ran.stdout.decode().splitlines()
    assert words == ["connected", "measuring"]
    return dict(json.loads(counted), stderr=ran.stderr.decode())


@pytest.mark.parametrize("message", ["100:0", "10:2000"])
def test_chunks_of_whole_answers_are_counted(programs: Path, serve: Serve, message: str) -> None:
    with serve("floor") as port:
        found = said(programs / "load", port, 5, 0.05, 0.3, message)
    chunks = int(message.partition(":")[0])
    assert found["turns"] > 5
    assert abs(found["chunks"] - found["turns"] * chunks) < 5 * chunks
    assert (found["errors"], found["lost"]) == (0, 0)
    assert found["chunk_bytes"] == 162
    assert 0 < found["load_cpu"] < 1


async def test_an_answer_of_too_few_chunks_is_an_error(programs: Path) -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        frames = [b'{"type":"connected"}', b'{"type":"chunk"}', b'{"type":"done"}']
        writer.write(b"".join(bytes([0x81, len(each)]) + each for each in frames[:1]))
        while await reader.read(1000):
            writer.write(b"".join(bytes([0x81, len(each)]) + each for each in frames[1:]))
        writer.close()

    listening = await asyncio.start_server(short, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    found = await asyncio.to_thread(said, programs / "load", port, 1, 0, 0.2, "2:0")
    listening.close()
    assert found["errors"] > 0
    assert "an answer of 1 chunks instead of 2" in found["stderr"]


async def test_calls_are_counted_when_their_answer_is_the_expected_one(programs: Path) -> None:
    calls = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                assert head.startswith(b"POST /functions/echo HTTP/1.1\r\n")
                assert await reader.readexactly(7) == b'{"a":1}'
                calls += 1
                body = b'{"a":1}' if calls != 2 else b"other"
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
                writer.write(body)
        writer.close()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    request = (port, 3, 0, 0.2, "/functions/echo", '{"a":1}', '{"a":1}')
    found = await asyncio.to_thread(said, programs / "calls", *request)
    listening.close()
    assert found["errors"] == 1
    assert found["lost"] == 0
    assert 0 <= calls - 1 - found["calls"] <= 3, "what is under way at the end is not counted"
    assert found["call_p50_us"] > 0


def test_the_vendor_streams_what_the_last_message_asks_for(vendor: int) -> None:
    messages = [{"role": "user", "content": "3:0"}, {"role": "assistant", "content": CHUNK}]
    messages.append({"role": "user", "content": "10:1000"})
    body = json.dumps({"messages": messages}, separators=(",", ":")).encode()
    url = f"http://127.0.0.1:{vendor}/v1/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as response:
        said = response.read().decode()
    *events, done, end = said.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    contents = [each["choices"][0]["delta"].get("content") for each in chunks if each["choices"]]
    assert contents == ["", *[CHUNK] * 10, None]
    assert chunks[-1]["usage"]["completion_tokens"] == 100
