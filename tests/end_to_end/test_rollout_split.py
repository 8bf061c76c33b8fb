"""A rollout between two runtimes, with the programs as they are run and sessions in Redis."""

import asyncio
import math
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from omnia_core.files.rollout import (
    SCHEDULE_FILE,
    TOKEN_FILE,
    Schedule,
    on_candidate,
    schedule_text,
)
from omnia_facade.rollout.files import CHECK_SECONDS
from tests.facade.test_program import program
from tests.runtime.program import LIMIT, Program
from tests.runtime.scripted import Mounted
from tests.services import free_port, wait_listening

TOKEN = "0123456789abcdef" * 4
LEAD_MS = int(CHECK_SECONDS * 1000) + 200
"""How long a facade may take to read a changed file, and some more."""


class Side:
    """A runtime that names its side in every answer."""

    def __init__(self, folder: Path, name: str, redis_url: str) -> None:
        folder.mkdir()
        self.name = name
        self.mounted = Mounted(folder)
        paced = [
            {"contains": said, "content": f"{name} " * pieces, "inter_chunk_ms": 50}
            for said, pieces in (("at length", 400), ("in short", 20))
        ]
        self.mounted.write_responses({"defaultResponse": f"{name} answers", "matches": paced})
        store = {"OMNIA_SESSION_TYPE": "redis", "OMNIA_SESSION_URL": redis_url}
        self.program = Program(self.mounted, OMNIA_VARIANT=name, **store)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.mounted.grpc_port}"


class Rollout:
    """The mounted files of a rollout, and the sessions that were seen.

    Attributes:
        url: of the facade of stable.
        candidate_url: of the facade of the candidate.
        doors: of stable's pod, `host:port`.
        seen: the side that answered each session first.
    """

    def __init__(self, folder: Path, peer_port: int) -> None:
        folder.mkdir()
        self.folder = folder
        self.schedule = Schedule("r1", f"127.0.0.1:{peer_port}")
        self.url = self.candidate_url = self.metrics_url = self.doors = ""
        self.seen: dict[str, str] = {}
        (folder / TOKEN_FILE).write_text(TOKEN)

    def write(self, schedule: Schedule) -> None:
        self.schedule = schedule
        new = self.folder / "new"
        new.write_text(schedule_text(schedule))
        new.rename(self.folder / SCHEDULE_FILE)

    def set_weight(self, weight: int) -> int:
        """Give new sessions another weight, as the operator does; return from when on."""
        start = time.time_ns() // 1_000_000 + LEAD_MS
        steps = (*self.schedule.steps, (start, weight))
        self.write(Schedule("r1", self.schedule.candidate, "x-user-id", steps))
        return start

    def expected(self, session_id: str) -> str:
        now = time.time_ns() // 1_000_000
        return "candidate" if on_candidate(self.schedule, session_id, "", now) else "stable"

    async def begin(self) -> tuple[str, str]:
        async with asyncio.timeout(LIMIT), connect(self.url, compression=None) as socket:
            session_id = await announced(socket)
            said = self.seen[session_id] = await ask(socket)
            return session_id, said

    async def resume(self, session_id: str) -> str:
        url = f"{self.url}?session_id={session_id}"
        async with asyncio.timeout(LIMIT), connect(url, compression=None) as socket:
            assert await announced(socket) != session_id
            assert await announced(socket) == session_id
            return await ask(socket)

    async def stepped_in(self) -> float:
        async with aiohttp.ClientSession() as http, http.get(self.metrics_url) as answer:
            lines = (await answer.text()).splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("omnia_rollout_stepped_in_total{")
        )


async def announced(socket: ClientConnection) -> str:
    frame = orjson.loads(await socket.recv())
    assert frame["type"] == "connected", frame
    return str(frame["session_id"])


async def answer(socket: ClientConnection, content: str = "hello") -> dict[str, Any]:
    await socket.send(orjson.dumps({"type": "message", "content": content}).decode())
    async for text in socket:
        frame: dict[str, Any] = orjson.loads(text)
        if frame["type"] in ("done", "error"):
            return frame
    raise AssertionError("closed")


async def ask(socket: ClientConnection) -> str:
    """Return the side that answers a turn."""
    frame = await answer(socket)
    assert frame["type"] == "done", frame
    return str(frame["content"]).partition(" ")[0]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[tuple[Side, Side]]:
    folder = tmp_path_factory.mktemp("split")
    both = tuple(Side(folder / name, name, redis_url) for name in ("stable", "candidate"))
    yield both[0], both[1]
    for side in both:
        side.program.kill()


@asynccontextmanager
async def rollout(
    folder: Path, stable: Side, candidate: Side, redis_url: str
) -> AsyncIterator[tuple[Rollout, asyncio.subprocess.Process]]:
    """Serve the facades of both sides; yield the rollout and the candidate's facade."""
    port, health, peer_port = free_port(), free_port(), free_port()
    candidate_port, stable_doors = free_port(), free_port()
    made = Rollout(folder / "rollout", peer_port)
    made.url = f"ws://127.0.0.1:{port}/ws"
    made.candidate_url = f"ws://127.0.0.1:{candidate_port}/ws"
    made.doors = f"127.0.0.1:{stable_doors}"
    made.metrics_url = f"http://127.0.0.1:{health}/metrics"
    shared = {
        "OMNIA_SESSION_TYPE": "redis",
        "OMNIA_SESSION_URL": redis_url,
        "OMNIA_ROLLOUT_PATH": made.folder,
    }
    for side in (stable, candidate):
        await asyncio.to_thread(wait_listening, side.mounted.grpc_port)
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(
            program(
                OMNIA_RUNTIME_ADDRESS=candidate.address,
                OMNIA_VARIANT="candidate",
                OMNIA_PEER_PORT=peer_port,
                OMNIA_FACADE_PORT=candidate_port,
                **shared,
            )
        )
        await stack.enter_async_context(
            program(
                OMNIA_RUNTIME_ADDRESS=stable.address,
                OMNIA_FACADE_PORT=port,
                OMNIA_HEALTH_PORT=health,
                OMNIA_PEER_PORT=stable_doors,
                **shared,
            )
        )
        yield made, door


async def test_shares_follow_the_weights_and_no_session_changes_its_side(
    sides: tuple[Side, Side], tmp_path: Path, redis_url: str
) -> None:
    async with rollout(tmp_path, *sides, redis_url) as (made, _):
        assert {(await made.begin())[1] for _ in range(10)} == {"stable"}, "without a rollout"
        counted: dict[int, list[str]] = {}
        for weight, count in ((10, 300), (50, 150), (100, 40)):
            start = made.set_weight(weight)
            counted[weight] = []
            while len(counted[weight]) < count:
                batch = await asyncio.gather(*(made.begin() for _ in range(10)))
                for session_id, said in batch:
                    assert said == made.expected(session_id)
                    if int(session_id.replace("-", "")[:12], 16) >= start:
                        counted[weight].append(said)
        for weight, sides_of in counted.items():
            share, whole = weight / 100, len(sides_of)
            sigma = math.sqrt(whole * share * (1 - share))
            on = sides_of.count("candidate")
            assert abs(on - whole * share) <= 3 * sigma, (weight, on, whole)

        some = list(made.seen.items())[:: len(made.seen) // 100]
        resumed = [await made.resume(session_id) for session_id, _ in some]
        assert resumed == [said for _, said in some]
        assert {"stable", "candidate"} == set(resumed)
        assert await made.stepped_in() == 0

        async with aiohttp.ClientSession() as http, http.get(made.metrics_url) as metrics:
            text = await metrics.text()
        requests = 'omnia_agent_requests_total{agent="agent",namespace="default",status="success"'
        for variant in ("stable", "candidate"):
            assert f'{requests},variant="{variant}"}}' in text

        # Abort: from the next look at the file on, stable answers all of them.
        made.write(Schedule("r1", made.schedule.candidate, steps=made.schedule.steps, over=True))
        mine = next(session for session, said in some if said == "candidate")
        async with asyncio.timeout(LIMIT):
            while await made.resume(mine) != "stable":
                pass


async def test_a_header_keeps_all_sessions_of_a_user_on_one_side(
    sides: tuple[Side, Side], tmp_path: Path, redis_url: str
) -> None:
    async with rollout(tmp_path, *sides, redis_url) as (made, _):
        start = made.set_weight(50)
        while time.time_ns() // 1_000_000 < start:
            await made.begin()

        async def sides_of(user: str) -> set[str]:
            found = set()
            for _ in range(4):
                headers = {"X-User-Id": user}
                async with connect(
                    made.url, compression=None, additional_headers=headers
                ) as socket:
                    await announced(socket)
                    found.add(await ask(socket))
            return found

        users = [await sides_of(f"user-{number}") for number in range(40)]
        assert all(len(each) == 1 for each in users)
        on = sum(each == {"candidate"} for each in users)
        assert abs(on - 20) <= 3 * math.sqrt(10)


async def test_the_facades_of_both_sides_keep_a_user_on_one_side(
    sides: tuple[Side, Side], tmp_path: Path, redis_url: str
) -> None:
    """A mesh brings connections to either side: the arriving facade relays what is not its own."""
    async with rollout(tmp_path, *sides, redis_url) as (made, _):

        async def side_of(url: str, user: str) -> str:
            headers = {"X-User-Id": user}
            async with connect(url, compression=None, additional_headers=headers) as socket:
                await announced(socket)
                return await ask(socket)

        # Facades of the candidate place nothing of themselves.
        made.set_weight(0)
        assert await side_of(made.candidate_url, "anybody") == "candidate"

        start = time.time_ns() // 1_000_000 + LEAD_MS
        schedule = Schedule(
            "r2", made.schedule.candidate, "x-user-id", ((start, 50),), stable=made.doors
        )
        made.write(schedule)
        while time.time_ns() // 1_000_000 < start + LEAD_MS:
            await side_of(made.url, "anybody")
        users = [f"user-{number}" for number in range(30)]
        by_stable = [await side_of(made.url, user) for user in users]
        by_candidate = [await side_of(made.candidate_url, user) for user in users]
        assert by_stable == by_candidate
        assert set(by_stable) == {"stable", "candidate"}

        # A rollback: stable answers at both facades, in the same sockets.
        mine = next(user for user, side in zip(users, by_stable, strict=True) if side != "stable")
        headers = {"X-User-Id": mine}
        async with (
            asyncio.timeout(LIMIT),
            connect(made.candidate_url, compression=None, additional_headers=headers) as socket,
        ):
            await announced(socket)
            assert await ask(socket) == "candidate"
            over = Schedule("r2", schedule.candidate, "x-user-id", schedule.steps, True, made.doors)
            made.write(over)
            while await side_of(made.candidate_url, mine) != "stable":
                pass
        assert await made.stepped_in() == 0


async def test_a_dead_candidate_costs_nobody_the_conversation(
    tmp_path: Path, redis_url: str
) -> None:
    stable = Side(tmp_path / "s", "stable", redis_url)
    candidate = Side(tmp_path / "c", "candidate", redis_url)
    try:
        async with rollout(tmp_path, stable, candidate, redis_url) as (made, door):
            start = made.set_weight(100)
            while time.time_ns() // 1_000_000 < start:
                await made.begin()
            async with AsyncExitStack() as stack:
                sockets = [
                    await stack.enter_async_context(connect(made.url, compression=None))
                    for _ in range(40)
                ]
                for socket in sockets:
                    await announced(socket)
                assert {await ask(socket) for socket in sockets} == {"candidate"}
                # One is in the middle of its answer: that turn fails, and only that one.
                middle = sockets[0]
                await middle.send('{"type": "message", "content": "tell me at length"}')
                assert orjson.loads(await middle.recv())["type"] == "chunk"
                # The runtime alone, and then the whole pod: the door is reached, or it is not.
                candidate.program.process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(candidate.program.process.wait)
                frame: dict[str, Any] = {"type": "chunk"}
                while frame["type"] == "chunk":
                    frame = orjson.loads(await middle.recv())
                assert (frame["type"], frame["error"]["code"]) == ("error", "AGENT_UNAVAILABLE")
                assert {await ask(socket) for socket in sockets[:20]} == {"stable"}
                door.kill()
                await door.wait()
                assert {await ask(socket) for socket in sockets} == {"stable"}
                assert (await made.begin())[1] == "stable"
            assert await made.stepped_in() >= 40
    finally:
        stable.program.kill()
        candidate.program.kill()


async def test_the_end_of_a_candidate_cuts_no_answer(tmp_path: Path, redis_url: str) -> None:
    stable = Side(tmp_path / "s", "stable", redis_url)
    candidate = Side(tmp_path / "c", "candidate", redis_url)
    try:
        async with rollout(tmp_path, stable, candidate, redis_url) as (made, door):
            start = made.set_weight(100)
            while time.time_ns() // 1_000_000 < start:
                await made.begin()
            async with (
                asyncio.timeout(LIMIT),
                connect(made.url, compression=None) as idle,
                connect(made.url, compression=None) as middle,
            ):
                for socket in (idle, middle):
                    await announced(socket)
                    assert await ask(socket) == "candidate"
                await middle.send('{"type": "message", "content": "tell me in short"}')
                assert orjson.loads(await middle.recv())["type"] == "chunk"
                # As Kubernetes ends a pod: both programs at once.
                door.terminate()
                candidate.program.process.terminate()
                made.write(Schedule("r1", made.schedule.candidate, over=True))
                frame: dict[str, Any] = {"type": "chunk"}
                while frame["type"] == "chunk":
                    frame = orjson.loads(await middle.recv())
                assert (frame["type"], frame.get("content")) == ("done", "candidate " * 20)
                # With the runtime its last connection ends, and the facade waits for nothing more.
                assert (await candidate.program.end())[0] == 0
                assert await door.wait() == 0
                assert {await ask(socket) for socket in (idle, middle)} == {"stable"}
    finally:
        stable.program.kill()
        candidate.program.kill()
