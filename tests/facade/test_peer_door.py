"""The door of a candidate's pod: who has the token reaches the runtime, and nobody else does."""

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnia_core.files.rollout import TOKEN_FILE
from omnia_core.names import Variant
from omnia_facade.rollout import peer_door
from omnia_facade.rollout.files import RolloutFiles
from omnia_facade.rollout.peer_door import (
    HIGH_WATER,
    MAX_LINE,
    MAX_PENDING,
    PeerConnection,
    PeerDoorContext,
    peer_line,
)
from tests.facade.conftest import running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.services import free_port

TOKEN = "f00d" * 16
ATTACKERS = 1_000


class Runtime:
    """A port that counts its connections and sends back what it reads.

    Attributes:
        reading: cleared while it reads nothing.
    """

    def __init__(self) -> None:
        self.reached = 0
        self.open = 0
        self.reading = asyncio.Event()
        self.reading.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        self.open += 1
        with contextlib.suppress(ConnectionError):
            await self.reading.wait()
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
                await self.reading.wait()
        self.open -= 1
        writer.close()


class Door:
    """The door in front of a runtime."""

    def __init__(self) -> None:
        self.runtime = Runtime()
        self.token = TOKEN
        self.refused: Counter[str] = Counter()
        self.port = self.runtime_port = 0

    @contextlib.asynccontextmanager
    async def opened(self, line_seconds: float = 5.0) -> AsyncIterator["Door"]:
        behind = await asyncio.start_server(self.runtime.serve, "127.0.0.1", 0)
        self.runtime_port = behind.sockets[0].getsockname()[1]
        self.context = PeerDoorContext(
            token=lambda: self.token,
            runtime=("127.0.0.1", self.runtime_port),
            refused=lambda reason: self.refused.update([reason]),
            line_seconds=line_seconds,
        )
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            partial(PeerConnection, self.context), "127.0.0.1", 0, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()
        behind.close()

    async def said(self, *pieces: bytes) -> bytes:
        """Connect, send pieces, and return what comes back until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(LIMIT):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\n", "wrong_token"),
        (b"OMNIA-PEER \n", "wrong_token"),
        (b"OMNIA-PEER " + b"0" * 64 + b"\n", "wrong_token"),
        (peer_line(TOKEN[:-1]), "wrong_token"),
        (peer_line(TOKEN + "0"), "wrong_token"),
        (peer_line(TOKEN).lower(), "wrong_token"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "wrong_token"),
        (b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n", "wrong_token"),
        (b"x" * MAX_LINE, "no_line"),
        (b"x" * 1_000_000, "no_line"),
    ],
)
async def test_who_does_not_know_the_token_is_cut_and_reaches_nothing(
    line: bytes, reason: str
) -> None:
    async with Door().opened() as door:
        assert await door.said(line) == b""
        assert (door.refused, door.runtime.reached) == ({reason: 1}, 0)


async def test_without_a_token_nobody_is_let_in() -> None:
    async with Door().opened() as door:
        door.token = ""
        for line in (peer_line(""), peer_line(TOKEN), b"OMNIA-PEER\n"):
            assert await door.said(line) == b""
        assert door.runtime.reached == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(peer_line(TOKEN)) - 2),
    st.binary(max_size=3).filter(lambda each: b"\n" not in each),
    st.integers(0, 3),
)
def test_no_changed_line_is_let_in(place: int, instead: bytes, removed: int) -> None:
    good = peer_line(TOKEN)[:-1]
    line = good[:place] + instead + good[place + removed :]

    async def attempt() -> None:
        async with Door().opened() as door:
            if line != good:
                assert await door.said(line + b"\n") == b""
                assert door.runtime.reached == 0

    asyncio.run(attempt())


async def test_half_a_line_is_cut_in_time() -> None:
    async with Door().opened(line_seconds=0.05) as door:
        for half in (b"", peer_line(TOKEN)[:-1]):
            assert await door.said(half) == b""
        assert (door.refused, door.runtime.reached) == ({"silent": 2}, 0)


async def test_a_crowd_of_strangers_keeps_no_facade_out_and_holds_little() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * ATTACKERS), hard))
    async with Door().opened(line_seconds=LIMIT) as door:
        strangers = []
        for number in range(ATTACKERS):
            strangers.append(await asyncio.open_connection("127.0.0.1", door.port))
            strangers[-1][1].write(b"OMNIA-PEER ")
            assert len(door.context.pending) <= MAX_PENDING
            if number == ATTACKERS // 2:
                reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
                writer.write(peer_line(TOKEN) + b"hello")
                async with asyncio.timeout(LIMIT):
                    assert await reader.readexactly(5) == b"hello"
        assert len(door.context.pending) <= MAX_PENDING
        assert door.refused["too_many"] >= ATTACKERS - MAX_PENDING
        assert door.runtime.reached == 1
        for _, stranger in strangers:
            stranger.close()
        writer.close()


async def test_the_largest_number_of_facades_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_door, "MAX_JOINED", 3)
    async with Door().opened() as door:
        let_in = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(peer_line(TOKEN) + b"x")
            assert await reader.readexactly(1) == b"x"
            let_in.append(writer)
        assert await door.said(peer_line(TOKEN)) == b""
        assert door.refused == {"full": 1}
        for writer in let_in:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not door.runtime.open)


async def test_bytes_pass_unchanged_and_a_side_that_does_not_read_stops_the_other() -> None:
    sent = bytes(range(256)) * 40_000
    async with Door().opened() as door:
        door.runtime.reading.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        # The line and the first bytes come in one piece, or the line in several.
        for piece in (peer_line(TOKEN)[:5], peer_line(TOKEN)[5:] + sent):
            writer.write(piece)
        await until(lambda: door.runtime.reached == 1)
        (connection,) = door.context.joined
        await until(lambda: connection.held > HIGH_WATER)
        for _ in range(200):
            await asyncio.sleep(0)
            assert connection.held <= 3 * HIGH_WATER
        door.runtime.reading.set()
        async with asyncio.timeout(LIMIT):
            assert await reader.readexactly(len(sent)) == sent
        writer.close()
        await until(lambda: not door.runtime.open and not door.context.joined)


async def test_a_drain_lasts_until_the_last_connection_ends_and_no_longer_than_it_may() -> None:
    async with Door().opened() as door:
        await door.context.drain(LIMIT)
        let_in = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
        for reader, writer in let_in:
            writer.write(peer_line(TOKEN) + b"x")
            assert await reader.readexactly(1) == b"x"
        await door.context.drain(0.01)
        assert len(door.context.joined) == 2
        draining = asyncio.create_task(door.context.drain(LIMIT))
        for number, (_, writer) in enumerate(let_in):
            assert not draining.done()
            writer.close()
            await until(partial(lambda left: len(door.context.joined) == left, 1 - number))
        await draining


async def test_a_runtime_that_is_not_there_ends_the_connection() -> None:
    async with Door().opened() as door:
        door.context = PeerDoorContext(
            token=lambda: TOKEN,
            runtime=("127.0.0.1", free_port()),
            refused=lambda reason: door.refused.update([reason]),
        )
        loop = asyncio.get_running_loop()
        server = await loop.create_server(partial(PeerConnection, door.context), "127.0.0.1", 0)
        door.port = server.sockets[0].getsockname()[1]
        assert await door.said(peer_line(TOKEN)) == b""
        assert door.refused == {"no_runtime": 1}
        server.close()


async def test_the_program_opens_the_door_for_a_candidate_only(
    tmp_path: Path, runtime: ScriptedRuntime
) -> None:
    peer_port = free_port()
    async with serving(runtime) as port:
        given: dict[str, Any] = {
            "runtime_address": f"127.0.0.1:{port}",
            "rollout_path": str(tmp_path),
        }
        async with running(**given):
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection("127.0.0.1", peer_port)
        async with running(**given, peer_port=peer_port, variant=Variant.CANDIDATE):
            reader, writer = await asyncio.open_connection("127.0.0.1", peer_port)
            writer.write(peer_line("guessed"))
            assert await reader.read() == b""
            writer.close()


async def test_a_file_of_the_rollout_that_is_broken_changes_nothing(tmp_path: Path) -> None:
    now = [0.0]
    files = RolloutFiles(str(tmp_path), clock=lambda: now[0])
    assert (files.token, files.header, files.other_side("a", "")) == ("", "", "")
    (tmp_path / TOKEN_FILE).write_text(TOKEN + "\n")
    (tmp_path / "rollout.json").write_text('{"id": "a", "candidate": "b:1", "hashOn": "X-User"}')
    assert files.token == "", "it is not looked at with every request"
    now[0] += 10
    assert (files.token, files.header) == (TOKEN, "x-user")
    (tmp_path / "rollout.json").write_text("{")
    now[0] += 10
    assert (files.token, files.header) == (TOKEN, "x-user")
    (tmp_path / "rollout.json").unlink()
    now[0] += 10
    assert (files.token, files.header) == (TOKEN, "")
