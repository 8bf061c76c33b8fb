"""A turn is cancelled by its session at any replica: two pods of an agent on one session store."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from omnia_core.env import FacadeEnv, SecretStr
from omnia_core.env.shared import SessionType
from omnia_core.files.auth import AuthFile, EdgeTrust
from omnia_core.sessions.factory import open_sessions
from tests.core.session_beds import SIGNALLING
from tests.facade.auth_files import Mounted as AuthFiles
from tests.facade.conftest import Client, Running, connected, running
from tests.runtime.program import Program, client
from tests.runtime.scripted import Mounted
from tests.runtime.servers import chunk, serving
from tests.services import LIMIT

# One event loop for the pods and their tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")

_log = logging.getLogger(__name__)

MIA, TOM = {"x-user-id": "mia"}, {"x-user-id": "tom"}


async def model(request: web.Request) -> web.StreamResponse:
    """Say "on", or, when asked for something slow, a beginning and nothing more."""
    content = orjson.loads(await request.read())["messages"][-1]["content"]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    slow = content == "slow"
    pieces = (
        [chunk({"content": "so far"})] if slow else [chunk({"content": "on"}), chunk({}, "stop")]
    )
    for piece in pieces:
        await response.write(b"data: " + orjson.dumps(piece) + b"\n\n")
    if slow:
        # The runtime closes the connection when the turn is cancelled.
        while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp signals it in no other way
            await asyncio.sleep(0.01)
    else:
        await response.write(b"data: [DONE]\n\n")
    return response


@dataclass
class Pods:
    """Two pods of one agent, and the address of their session store."""

    a: Running
    b: Running
    http: aiohttp.ClientSession
    env: FacadeEnv

    async def cancel(
        self, at: Running, session_id: str, user: dict[str, str], method: str = "POST"
    ) -> tuple[int, dict[str, object]]:
        url = f"{at.http}/sessions/{session_id}/cancel"
        async with self.http.request(method, url, headers=user) as response:
            return response.status, orjson.loads(await response.read())


@pytest.fixture(scope="module")
def programs() -> Iterator[list[Program]]:
    """Runtimes, which end with the tests."""
    started: list[Program] = []
    yield started
    for program in started:
        program.kill()


@asynccontextmanager
async def pods_of(
    kind: SessionType, url: str, folder: Path, programs: list[Program]
) -> AsyncIterator[Pods]:
    variables = {
        "OMNIA_SESSION_TYPE": str(kind),
        "OMNIA_SESSION_URL": url,
        "OMNIA_SESSION_PATH": str(folder / "sessions.db"),
    }
    (folder / "auth").mkdir()
    files = AuthFiles(folder / "auth")
    files.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(serving(model))
        facades = list[Running]()
        for name in ("a", "b"):
            (folder / name).mkdir()
            mounted = Mounted(folder / name)
            mounted.write_provider(type="openai", baseURL=f"{at}/v1")
            programs.append(Program(mounted, **variables))
            await stack.enter_async_context(client(mounted))
            facades.append(
                await stack.enter_async_context(
                    running(
                        runtime_address=f"127.0.0.1:{mounted.grpc_port}",
                        session_type=kind,
                        session_url=SecretStr(url) if url else None,
                        session_path=variables["OMNIA_SESSION_PATH"],
                        allow_unauthenticated=False,
                        auth_path=str(files.auth),
                        auth_secrets_path=str(files.secrets),
                    )
                )
            )
        timeout = aiohttp.ClientTimeout(LIMIT)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        env = FacadeEnv.parse({"OMNIA_AGENT_NAME": "agent", **variables})
        yield Pods(facades[0], facades[1], http, env)


@pytest_asyncio.fixture(params=SIGNALLING, scope="module", loop_scope="module")
async def pods(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    programs: list[Program],
) -> AsyncIterator[Pods]:
    """Two pods for all tests: each takes seconds to start, and their sessions differ."""
    kind = SessionType(request.param)
    folder = tmp_path_factory.mktemp(str(kind))
    async with pods_of(kind, url_of(kind, request), folder, programs) as made:
        yield made


def url_of(kind: SessionType, request: pytest.FixtureRequest) -> str:
    """Return the address of the server of this test run; "" for stores that have none."""
    match kind:
        case SessionType.REDIS:
            return str(request.getfixturevalue("redis_url"))
        case SessionType.POSTGRES:
            return str(request.getfixturevalue("postgres").url)
        case SessionType.MONGODB:
            return str(request.getfixturevalue("mongo").url)
        case _:
            return ""


async def begun(talk: Client) -> str:
    """Begin a turn whose answer does not end; return its session when the first text is there."""
    await talk.say("slow")
    return str((await talk.until("chunk"))[-1]["session_id"])


@pytest.mark.covers(
    "websocket.md#cancel-by-session",
    "websocket.md#cancel-accepted",
    "websocket.md#cancel-not-found",
    "websocket.md#cancel-nothing-runs",
)
async def test_a_turn_of_one_pod_is_cancelled_at_the_other(pods: Pods) -> None:
    async with connected(pods.a.ws, additional_headers=MIA) as talk:
        session_id = await begun(talk)
        others = await pods.cancel(pods.b, session_id, TOM)
        unknown = await pods.cancel(pods.b, "no-such-session", MIA)
        assert others == unknown
        assert others[0] == 404
        assert (await pods.cancel(pods.b, session_id, {}))[0] == 401
        assert (await pods.cancel(pods.b, session_id, MIA, "GET"))[0] == 405

        began = time.perf_counter()
        accepted = await pods.cancel(pods.b, session_id, MIA)
        (done,) = await talk.answer()
        # Shown by --log-cli-level=INFO.
        _log.info("cancelled after %.3f s", time.perf_counter() - began)
        assert accepted == (202, {"session_id": session_id})
        assert (done["type"], done["finish_reason"]) == ("done", "cancelled")
        assert done["content"] == "so far"
        status, refused = await pods.cancel(pods.b, session_id, MIA)
        assert (status, refused["error"]) == (409, "no_turn_running")

        await talk.say("go on")
        assert (await talk.answer())[-1]["content"] == "on"
    store = open_sessions(pods.env)
    session = await store.load(session_id)
    await store.close()
    assert session
    assert [(each.content, each.finish_reason) for each in session.messages] == [
        ("slow", ""),
        ("so far", "cancelled"),
        ("go on", ""),
        ("on", "stop"),
    ]


async def test_a_turn_that_is_cancelled_many_times_ends_once(pods: Pods) -> None:
    async with connected(pods.a.ws, additional_headers=MIA) as talk:
        session_id = await begun(talk)
        asked = [pods.cancel(pod, session_id, MIA) for _ in range(5) for pod in (pods.a, pods.b)]
        statuses = {status for status, _ in await asyncio.gather(*asked)}
        (done,) = await talk.answer()
        assert 202 in statuses
        assert statuses <= {202, 409}
        assert done["finish_reason"] == "cancelled"
        # What is left of the requests is not for the next turn.
        assert await begun(talk) == session_id
        assert (await pods.cancel(pods.b, session_id, MIA))[0] == 202
        assert (await talk.answer())[-1]["finish_reason"] == "cancelled"


async def test_a_cancel_that_meets_the_end_of_its_turn_harms_no_other(pods: Pods) -> None:
    async with connected(pods.a.ws, additional_headers=MIA) as talk:
        await talk.say("hi")
        session_id = str((await talk.answer())[-1]["session_id"])
        for number in range(10):
            await talk.say("hi")
            await asyncio.sleep(number * 0.004)
            status, _ = await pods.cancel(pods.b, session_id, MIA)
            raced = (await talk.answer())[-1]
            await talk.say("hi")
            following = (await talk.answer())[-1]
            assert status in (202, 409)
            assert raced["type"] == "done"
            assert following["finish_reason"] == "stop"


async def test_in_memory_the_pod_of_the_session_cancels_it(
    tmp_path: Path, programs: list[Program]
) -> None:
    async with (
        pods_of(SessionType.MEMORY, "", tmp_path, programs) as pods,
        connected(pods.a.ws, additional_headers=MIA) as talk,
    ):
        session_id = await begun(talk)
        assert (await pods.cancel(pods.a, session_id, TOM))[0] == 404
        status, refused = await pods.cancel(pods.b, session_id, MIA)
        assert status == 404
        assert "only the pod that has the session" in str(refused["detail"])
        assert (await pods.cancel(pods.a, session_id, MIA))[0] == 202
        assert (await talk.answer())[-1]["finish_reason"] == "cancelled"
