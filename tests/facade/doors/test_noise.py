"""Noise at every door at once, and readers that stay silent: a neighbour notices nothing."""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import connect

from omnia_facade.doors.registry import DOORS
from tests.facade.conftest import Running
from tests.facade.doors.bed import LONG, opened
from tests.facade.doors.test_chat_door import said
from tests.noise import Noise

PATHS = tuple(
    path
    for entry in DOORS
    for path in (*entry.paths, *(f"{prefix}noise" for prefix in entry.prefixes))
)
LIMIT = 60.0
ROUNDS = 15
AT_ONCE = 20
SILENT = 30


async def one_noise(facade: Running, pieces: list[bytes]) -> str:
    """Send the pieces on a connection, and read to its end; return the status of the answer."""
    answer = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(LIMIT):
            answer = await reader.read()
    writer.close()
    return answer[9:12].decode()


async def test_noise_at_every_door_disturbs_no_websocket(
    facade: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = Noise(17)
    statuses: set[str] = set()
    capfd.readouterr()
    async with contextlib.AsyncExitStack() as stack:
        for number in range(SILENT):
            body = said("slowly please", id=f"silent-{number}")
            await stack.enter_async_context(opened(facade, "/api/chat", body))
        socket = await stack.enter_async_context(connect(facade.ws, open_timeout=LIMIT))
        await socket.send(json.dumps({"type": "message", "content": "slowly please"}))
        for _ in range(ROUNDS):
            statuses |= set(
                await asyncio.gather(
                    *(one_noise(facade, noise.calls(PATHS)) for _ in range(AT_ONCE))
                )
            )
        text = ""
        async with asyncio.timeout(LIMIT):
            while (frame := json.loads(await socket.recv()))["type"] != "done":
                assert frame["type"] in ("connected", "chunk")
                text += frame.get("content", "")
    assert text == LONG
    # It got as far as the doors.
    assert {"200", "400", "404", "405", "415"} <= statuses
    assert "500" not in statuses
    logged = "".join(capfd.readouterr())
    assert "crashed" not in logged
    assert "Traceback" not in logged
