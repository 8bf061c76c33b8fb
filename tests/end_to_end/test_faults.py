"""What breaks while people talk, and what they notice of it: with the programs as they are run."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect

from omnia_core.sessions import SessionSettings
from omnia_core.sessions.redis.store import RedisSessionStore
from omnia_core.units import Duration
from tests.end_to_end.conftest import LIMIT, Start, Up
from tests.runtime.servers import chunk, serving
from tests.services import RedisServer, free_port

AGENT = """\
apiVersion: v1
kind: Secret
metadata:
  name: store
stringData:
  url: {store}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: tough
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You go on.
  session:
    type: redis
    storeRef:
      name: store
  provider:
    type: openai
    model: m
    baseURL: {model}/v1
"""
Frame = dict[str, Any]
Outage = tuple[Callable[[RedisServer], None], Callable[[RedisServer], None]]


class Listener:
    """A model that says what it heard; of `hold` it says the half, and the rest when it may.

    Attributes:
        heard: the conversations that it was asked to continue, as (role, text).
        may: lets the answers that are held end.
    """

    def __init__(self) -> None:
        self.heard: list[list[tuple[str, str]]] = []
        self.may = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        said = [(each["role"], each["content"]) for each in body["messages"][1:]]
        self.heard.append(said)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await self._say(response, "heard ")
        if said[-1][1] == "hold":
            await self.may.wait()
        await self._say(response, said[-1][1])
        await response.write(b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps(chunk({}, "stop")))
        return response

    async def _say(self, response: web.StreamResponse, text: str) -> None:
        await response.write(b"data: %b\n\n" % orjson.dumps(chunk({"content": text})))


class Talk:
    """A conversation, and the session to which it belongs."""

    def __init__(self, socket: ClientConnection, session_id: str) -> None:
        self._socket = socket
        self.session_id = session_id

    async def say(self, content: str) -> None:
        await self._socket.send(orjson.dumps({"type": "message", "content": content}).decode())

    async def until(self, *types: str) -> list[Frame]:
        """Return the frames up to the first of one of these types."""
        frames: list[Frame] = []
        async with asyncio.timeout(LIMIT):
            while not frames or frames[-1]["type"] not in types:
                frames.append(orjson.loads(await self._socket.recv()))
        return frames

    async def ask(self, content: str) -> list[Frame]:
        await self.say(content)
        return await self.until("done", "error")


@asynccontextmanager
async def talking(url: str) -> AsyncIterator[Talk]:
    """Connect, and read the announcement."""
    async with connect(url) as socket:
        yield Talk(socket, orjson.loads(await socket.recv())["session_id"])


@pytest.fixture
def redis(need_program: Callable[[str, str], str], tmp_path: Path) -> Iterator[RedisServer]:
    program = need_program("redis-server", "apt-get install redis-server")
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(program, folder)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def tough(
    start: Start, folder: Path, redis: RedisServer
) -> AsyncIterator[tuple[Up, Frame, Listener]]:
    """Run the agent; yield the command, its `ready` event and the model."""
    model = Listener()
    async with serving(model) as url:
        manifest = folder / "agent.yaml"
        manifest.write_text(AGENT.format(store=redis.url, model=url, port=free_port()))
        up = start(manifest)
        yield up, await asyncio.to_thread(up.wait, "ready", name="tough"), model
        model.may.set()
        await asyncio.to_thread(up.stop)


@asynccontextmanager
async def stored_by(redis: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """Look into the store of the agent."""
    store = RedisSessionStore(
        redis.url, SessionSettings(ttl=Duration.parse("24h"), namespace="default", agent="tough")
    )
    yield store
    await store.close()


async def test_a_runtime_that_is_killed_in_a_turn_is_one_error_and_the_session_goes_on(
    start: Start, tmp_path: Path, redis: RedisServer
) -> None:
    async with (
        tough(start, tmp_path, redis) as (up, ready, model),
        stored_by(redis) as store,
        talking(ready["url"]) as talk,
    ):
        assert (await talk.ask("one"))[-1]["content"] == "heard one"
        await talk.say("hold")
        await talk.until("chunk")
        async with asyncio.timeout(LIMIT):
            while True:
                session = await store.load(talk.session_id)
                if session and session.interrupted:
                    break
                await asyncio.sleep(0.02)

        os.kill(ready["pids"]["runtime"], signal.SIGKILL)
        (end,) = await talk.until("error", "done")
        await asyncio.to_thread(up.wait, "ready", name="tough")
        again = await talk.ask("two")
        session = await store.load(talk.session_id)

    assert end["error"]["code"] == "AGENT_UNAVAILABLE"
    assert end["error"]["message"].endswith("send the message again; its answer so far is stored")
    assert [frame["type"] for frame in again] == ["chunk", "chunk", "done"]
    assert again[-1]["content"] == "heard two"
    history = [("user", "one"), ("assistant", "heard one")]
    history += [("user", "hold"), ("assistant", "heard "), ("user", "two")]
    assert model.heard[-1] == history
    assert session
    assert [(each.role, each.content) for each in session.messages] == [
        *history,
        ("assistant", "heard two"),
    ]


LONG = [pytest.mark.soak, pytest.mark.timeout(240)]
GONE = (RedisServer.kill, RedisServer.start)
SILENT = (RedisServer.freeze, RedisServer.thaw)


@pytest.mark.parametrize(
    ("outage", "seconds"),
    [
        pytest.param(GONE, 0.5, id="gone for half a second"),
        pytest.param(GONE, 30.0, id="gone for half a minute", marks=LONG),
        pytest.param(SILENT, 30.0, id="silent for half a minute", marks=LONG),
    ],
)
async def test_while_redis_is_gone_turns_say_so_and_afterwards_nothing_confirmed_is_lost(
    start: Start, tmp_path: Path, redis: RedisServer, outage: Outage, seconds: float
) -> None:
    async with (
        tough(start, tmp_path, redis) as (_, ready, model),
        stored_by(redis) as store,
        talking(ready["url"]) as talk,
        talking(ready["url"]) as held,
    ):
        confirmed = []
        for number in range(3):
            end = (await talk.ask(f"before {number}"))[-1]
            confirmed.append((f"before {number}", end["content"]))
        await held.say("hold")
        await held.until("chunk")

        begin, end_it = outage
        begin(redis)
        until = asyncio.get_running_loop().time() + seconds
        told: list[Frame] = []
        while asyncio.get_running_loop().time() < until:
            (frame,) = await talk.ask(f"meanwhile {len(told)}")
            told.append(frame["error"])
            await asyncio.sleep(seconds / 10)
        model.may.set()
        unconfirmed = await held.until("done", "error")
        async with talking(f"{ready['url']}?session_id={talk.session_id}") as newcomer:
            (refused,) = await newcomer.until("error")

        await asyncio.to_thread(end_it, redis)
        for number in range(3):
            end = (await talk.ask(f"after {number}"))[-1]
            assert end["type"] == "done", end
            confirmed.append((f"after {number}", end["content"]))
        again = await held.ask("and now")
        session = await store.load(talk.session_id)
        for pid in ready["pids"].values():
            os.kill(pid, 0)

    assert {error["code"] for error in told} == {"AGENT_UNAVAILABLE"}, told
    assert all("again" in error["message"] for error in told), told
    assert refused["error"]["code"] == "INTERNAL_ERROR"
    assert unconfirmed[-1]["type"] == "error", unconfirmed
    # A message whose answer was lost is a part of the next request.
    assert again[-1]["content"].removeprefix("heard ") in {"and now", "hold\n\nand now"}
    assert session
    asked = [each.content for each in session.messages if each.role == "user"]
    answered = [each.content for each in session.messages if each.role == "assistant"]
    # A Redis that was silent may yet have done what it did not confirm.
    asked = [each for each in asked if outage is GONE or not each.startswith("meanwhile")]
    assert asked == [question for question, _ in confirmed]
    assert answered == [answer for _, answer in confirmed]
