"""Credentials at the real program: a facade process, a gRPC runtime, clients from outside."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from omnia_core.files.auth import AuthFile
from tests.facade.auth_files import Mounted, account, everything, management
from tests.facade.conftest import connected
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.facade.signing import Issuer, bearing
from tests.facade.test_program import ROOT, program
from tests.services import free_port

CLUSTER = Issuer("https://kubernetes.default.svc").add("one", "RS256")
PROVIDER = Issuer().add("p1")


class Program:
    """A running facade that wants credentials, and the runtime behind it."""

    def __init__(self, port: int, health: int, mounted: Mounted, runtime: ScriptedRuntime) -> None:
        self.port = port
        self.health = health
        self.mounted = mounted
        self.runtime = runtime

    async def connect(self, headers: dict[str, str], path: str = "/ws", **more: Any) -> int:
        """Open a WebSocket, say hello, and return the status of the handshake."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        async with contextlib.AsyncExitStack() as stack:
            try:
                made = connected(url, additional_headers=headers, **more)
                client = await stack.enter_async_context(made)
            except InvalidStatus as refused:
                answer = refused.response
            else:
                await client.say("hi")
                assert (await client.answer())[-1]["type"] == "done"
                return 101
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert orjson.loads(answer.body or b"")["error"] == "unauthorized"
        return answer.status_code

    async def request(
        self, method: str, path: str, headers: dict[str, str], port: int = 0
    ) -> tuple[int, str]:
        url = f"http://127.0.0.1:{port or self.port}{path}"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
            session.request(
                method, url, headers=headers, json={} if method == "POST" else None
            ) as answer,
        ):
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def secured_program(root: Path, mode: str, **variables: object) -> AsyncIterator[Program]:
    mounted = Mounted(root)
    mounted.client_key("shop", "k3y", scopes='{"plan": "gold"}')
    mounted.rules(everything(CLUSTER, PROVIDER))
    function = root / "function.json"
    function.write_bytes(orjson.dumps({"name": "f", "inputSchema": {}, "outputSchema": {}}))
    runtime, port, health = ScriptedRuntime(), free_port(), free_port()
    async with (
        serving(runtime) as runtime_port,
        program(
            **{
                "OMNIA_MODE": mode,
                "OMNIA_FUNCTION_PATH": function,
                "OMNIA_RUNTIME_ADDRESS": f"127.0.0.1:{runtime_port}",
                "OMNIA_FACADE_PORT": port,
                "OMNIA_HEALTH_PORT": health,
                "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "",
                "OMNIA_AUTH_PATH": mounted.auth,
                "OMNIA_AUTH_SECRETS_PATH": mounted.secrets,
                **variables,
            }
        ),
    ):
        yield Program(port, health, mounted, runtime)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Program]:
    async with secured_program(tmp_path, "agent") as made:
        yield made


@pytest.fixture
async def function(tmp_path: Path) -> AsyncIterator[Program]:
    async with secured_program(tmp_path, "function") as made:
        yield made


GOOD = {
    "management-plane": bearing(account(CLUSTER, "one")),
    "client-key": bearing("k3y"),
    "oidc": bearing(PROVIDER.sign("p1")),
    "edge-trust": {"X-User-Id": "mia"},
}
BAD: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic k3y"},
    {"Authorization": "Token k3y"},
    {"Authorization": "k3y"},
    {"Authorization": "bearerk3y"},
    {"Authorization": f"Basic {PROVIDER.sign('p1')}"},
    bearing("k3y "[::-1]),
    bearing("k3y0"),
    bearing(account(CLUSTER, "one", aud=["omnia://space/another"])),
    bearing(PROVIDER.sign("p1", exp=1)),
    {"X-Omnia-User-Id": "mia", "X-Omnia-Origin": "management-plane"},
    {"Cookie": "token=k3y"},
)


async def test_each_kind_of_credential_opens_a_conversation(agent: Program) -> None:
    for origin, headers in GOOD.items():
        assert await agent.connect(headers) == 101
        assert agent.runtime.metadata[-1]["x-omnia-origin"] == origin


async def test_without_a_good_credential_there_is_no_conversation(agent: Program) -> None:
    for headers in BAD:
        assert await agent.connect(headers) == 401, headers
    for path in ("/ws?token=k3y", "/ws?access_token=k3y", "/ws?authorization=Bearer%20k3y"):
        assert await agent.connect({}, path) == 401, path
    assert agent.runtime.metadata == []


METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
PATHS = ("/", "/ws", "/api/agents/x", "/functions/f", "/functions/", "/metrics", "/openapi.json")


async def test_every_path_of_an_agent_wants_a_credential_first(agent: Program) -> None:
    for method, path in product(METHODS, PATHS):
        assert (await agent.request(method, path, {}))[0] == 401, (method, path)
        assert (await agent.request(method, path, bearing("k3y")))[0] in (404, 426)


async def test_every_path_of_a_function_wants_a_credential_first(function: Program) -> None:
    for method, path in product(METHODS, PATHS):
        assert (await function.request(method, path, {}))[0] == 401, (method, path)
    assert function.runtime.invoked == []
    for method, path in product(METHODS, PATHS):
        assert (await function.request(method, path, bearing("k3y")))[0] != 401, (method, path)


async def test_a_function_takes_the_same_credentials(function: Program) -> None:
    for origin, headers in GOOD.items():
        assert (await function.request("POST", "/functions/f", headers))[0] == 200
        assert function.runtime.invoked_with[-1]["x-omnia-origin"] == origin
    count = len(function.runtime.invoked)
    for headers in BAD:
        status, body = await function.request("POST", "/functions/f", headers)
        assert (status, orjson.loads(body)["error"]) == (401, "unauthorized"), headers
    assert len(function.runtime.invoked) == count


async def test_the_runtime_learns_who_asks_and_no_credential(agent: Program) -> None:
    spoofed = {"X-Omnia-User-Id": "eve", "X-Omnia-Claim-Plan": "platinum", "X-End-User-Id": "eve"}
    assert await agent.connect({**bearing("k3y"), **spoofed}) == 101

    (sent,) = agent.runtime.metadata
    assert sent["x-omnia-user-id"] == sha256(b"shop").hexdigest()[:16]
    assert sent["x-omnia-claim-plan"] == "gold"
    assert sent["x-omnia-claim-role"] == "viewer"
    assert "authorization" not in sent
    assert "k3y" not in str(sent)
    assert "eve" not in str(sent)


@pytest.mark.covers("websocket.md#bearer-subprotocol")
async def test_a_browser_brings_its_token_among_the_subprotocols(agent: Program) -> None:
    url = f"ws://127.0.0.1:{agent.port}/ws"
    token = GOOD["oidc"]["authorization"].removeprefix("Bearer ")
    offered = [Subprotocol("omnia.v1"), Subprotocol(f"omnia.bearer.{token}")]

    async with connect(url, subprotocols=offered) as socket:
        assert socket.subprotocol == "omnia.v1"
        assert socket.response
        assert token not in str(socket.response.headers)
    wrong = [Subprotocol("omnia.v1"), Subprotocol("omnia.bearer.k4y")]
    assert await agent.connect({}, subprotocols=wrong) == 401


async def test_pages_of_other_sites_do_not_get_in_with_a_good_credential(tmp_path: Path) -> None:
    origins = Origin("https://app.example")
    async with secured_program(tmp_path, "agent", OMNIA_ALLOWED_ORIGINS=origins) as agent:
        url = f"ws://127.0.0.1:{agent.port}/ws"
        async with connected(url, additional_headers=bearing("k3y"), origin=origins):
            pass
        with pytest.raises(InvalidStatus) as caught:
            await connect(
                url, additional_headers=bearing("k3y"), origin=Origin("https://evil.example")
            )
        assert caught.value.response.status_code == 403


async def test_a_client_key_works_and_stops_without_a_restart(agent: Program) -> None:
    assert await agent.connect(bearing("new")) == 401
    agent.mounted.client_key("new", "new")
    await _until(agent, "new", 101)
    agent.mounted.withdraw("new")
    await _until(agent, "new", 401)
    assert await agent.connect(bearing("k3y")) == 101


async def test_rules_change_without_a_restart(agent: Program) -> None:
    agent.mounted.rules(AuthFile(management(CLUSTER)))
    await _until(agent, "k3y", 401)
    assert await agent.connect(GOOD["management-plane"]) == 101
    assert await agent.connect(GOOD["edge-trust"]) == 401


async def _until(agent: Program, token: str, status: int) -> None:
    async with asyncio.timeout(LIMIT):
        while await agent.connect(bearing(token)) != status:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.1)  # another process reads the files


async def test_an_open_agent_says_so(tmp_path: Path) -> None:
    open_to_all = {"OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true"}
    gauge = 'omnia_facade_unauthenticated{agent="agent",namespace="default"}'
    async with secured_program(tmp_path, "agent", **open_to_all) as agent:
        assert await agent.connect({}) == 101
        assert await agent.connect(bearing("unknown")) == 101
        # A credential of a known kind is still checked.
        assert await agent.connect(bearing(PROVIDER.sign("p1", exp=1))) == 401
        assert f"{gauge} 1.0" in (await agent.request("GET", "/metrics", {}, agent.health))[1]
        assert "x-omnia-user-id" not in agent.runtime.metadata[0]


async def test_a_closed_agent_has_the_gauge_at_zero(agent: Program) -> None:
    status, metrics = await agent.request("GET", "/metrics", {}, agent.health)

    assert (status, "omnia_facade_unauthenticated" in metrics) == (200, True)
    assert 'omnia_facade_unauthenticated{agent="agent",namespace="default"} 0.0' in metrics


def test_a_pod_that_sees_no_token_does_not_load_the_library() -> None:
    code = (
        "import asyncio, sys, tempfile, pathlib\n"
        "from tests.facade.auth_files import *\n"
        "for name in [n for n in sys.modules if n.split('.')[0] in ('jwt', 'cryptography')]:\n"
        "    del sys.modules[name]\n"
        "from omnia_facade.auth.mounted import MountedValidator\n"
        "from omnia_facade.auth.chain import Authenticator, Unauthorized\n"
        "mounted = Mounted(pathlib.Path(tempfile.mkdtemp()))\n"
        "mounted.client_key('shop', 'k3y')\n"
        "mounted.rules(everything(Issuer('c'), Issuer('p')))\n"
        "chain = Authenticator((MountedValidator(str(mounted.auth), str(mounted.secrets)),),\n"
        "    allow_unauthenticated=False)\n"
        "asyncio.run(chain.authenticate({'authorization': 'Bearer k3y'}))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=LIMIT
    )
    assert {"jwt", "cryptography"}.isdisjoint(done.stdout.decode().split())
