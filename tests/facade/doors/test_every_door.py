"""What holds at every door that is in the tree: D1, D2, D14, D16 and D21 of their design."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from omnia_core.env import SecretStr
from omnia_core.env.shared import SessionType
from omnia_core.files.auth import AuthFile, ClientKeyAuth
from omnia_core.units import Duration
from tests.facade.auth_files import Mounted as Credentials
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import request, until
from tests.facade.doors.drivers import Refused, begun, drivers
from tests.loopback_proxy import Proxy
from tests.runtime.scripted import Mounted

ALL = drivers()
# Doors whose driver reads a stream; a response that is not streamed is silent until its end.
STREAMED = ("chat", "agui")


@pytest.fixture(scope="module")
def numbered_and_stored(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mounted]:
    """A runtime that answers with the number of the turn, with its sessions in Redis."""
    folder = tmp_path_factory.mktemp("runtime")
    store = {"OMNIA_SESSION_TYPE": "redis", "OMNIA_SESSION_URL": redis_url}
    with bed.mock_runtime(folder, bed.NUMBERED, **store) as mounted:
        yield mounted


@pytest.fixture
async def two_users(
    numbered_and_stored: Mounted, redis_url: str, tmp_path: Path
) -> AsyncIterator[Running]:
    """A facade that wants a client key; `ann` and `bob` have one."""
    credentials = Credentials(tmp_path)
    credentials.rules(AuthFile(client_keys=ClientKeyAuth()))
    credentials.client_key("ann", "ann")
    credentials.client_key("bob", "bob")
    async with bed.doors(
        numbered_and_stored,
        allow_unauthenticated=False,
        auth_path=str(credentials.auth),
        auth_secrets_path=str(credentials.secrets),
        session_type=SessionType.REDIS,
        session_url=SecretStr(redis_url),
    ) as facade:
        yield facade


def as_user(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


@pytest.mark.covers("doors.md#one-session")
async def test_one_conversation_goes_through_every_door(two_users: Running) -> None:
    session = await begun(two_users, as_user("ann"))
    said = [await driver(two_users, session, "go on", as_user("ann")) for driver in ALL.values()]

    assert said == [f"This is turn {number}." for number in range(2, len(ALL) + 2)]
    history = await request(two_users, "GET", f"/api/chat/{session}", headers=as_user("ann"))
    roles = [message["role"] for message in history.body["messages"]]
    assert roles == ["user", "assistant"] * (len(ALL) + 1)


@pytest.mark.covers("doors.md#foreign-session")
@pytest.mark.parametrize("name", ALL)
async def test_a_session_of_somebody_else_is_unknown(two_users: Running, name: str) -> None:
    session = await begun(two_users, as_user("ann"))
    with pytest.raises(Refused):
        await ALL[name](two_users, session, "hello", as_user("bob"))
    history = await request(two_users, "GET", f"/api/chat/{session}", headers=as_user("ann"))
    assert len(history.body["messages"]) == 2


@pytest.mark.parametrize("path", ["/api/chat/ID/stream", "/api/chat/ID"])
async def test_an_unknown_and_a_foreign_chat_look_alike(two_users: Running, path: str) -> None:
    session = await begun(two_users, as_user("ann"))
    foreign, unknown = [
        await request(two_users, "GET", path.replace("ID", name), headers=as_user("bob"))
        for name in (session, "no-such-chat")
    ]
    assert (foreign.status, foreign.content) == (unknown.status, unknown.content)


@pytest.mark.covers("doors.md#credential")
@pytest.mark.parametrize("name", [name for name in ALL if name != "websocket"])
async def test_nobody_enters_without_a_credential(two_users: Running, name: str) -> None:
    with pytest.raises(Refused) as refused:
        await ALL[name](two_users, "s1", "hello", {})
    assert refused.value.answer[0] == 401


@pytest.mark.covers("doors.md#stored-first")
@pytest.mark.parametrize("name", ALL)
async def test_what_is_said_to_be_over_is_stored(two_users: Running, name: str) -> None:
    session = await begun(two_users, as_user("ann"))
    await ALL[name](two_users, session, "go on", as_user("ann"))
    # No wait: the turn is in the store when the answer ends.
    history = await request(two_users, "GET", f"/api/chat/{session}", headers=as_user("ann"))
    assert len(history.body["messages"]) == 4


@pytest.mark.covers("doors.md#heartbeat")
@pytest.mark.parametrize("name", [name for name in STREAMED if name in ALL])
async def test_a_proxy_that_cuts_silent_connections_cuts_no_stream(
    mock_runtime: Mounted, name: str
) -> None:
    """The model thinks for three seconds, and the proxy waits for one."""
    async with bed.doors(mock_runtime, stream_heartbeat=Duration(200)) as facade:
        # The modules of the door are loaded.
        await ALL[name](facade, f"loaded-{name}", "hello", {})
        proxy = Proxy(facade.port)
        proxy.idle = 2.5
        async with proxy.serving() as port:
            facade.http = f"http://127.0.0.1:{port}"
            answer = await ALL[name](facade, f"silent-{name}", "have patience", {})
    assert answer == "At last."
    assert proxy.lost == 0


async def answering(facade: Running) -> bool:
    """Whether a turn is being answered."""
    async with aiohttp.ClientSession() as session, session.get(facade.health + "/metrics") as page:
        text = await page.text()
    values = re.findall(r"^omnia_agent_requests_inflight\{.*\} ([0-9.]+)$", text, re.MULTILINE)
    return bool(values) and float(values[0]) > 0


@pytest.mark.covers("doors.md#drain")
@pytest.mark.parametrize("name", ALL)
async def test_a_drain_lets_end_what_was_begun(mock_runtime: Mounted, name: str) -> None:
    async with bed.doors(mock_runtime, drain_timeout=Duration(20_000)) as facade:
        session = "" if name in ("websocket", "mcp") else f"drained-{name}"
        answer = asyncio.ensure_future(ALL[name](facade, session, "slowly please", {}))
        await until(lambda: answering(facade))
        facade.stop.set()
        said = await answer
    assert said == bed.LONG
