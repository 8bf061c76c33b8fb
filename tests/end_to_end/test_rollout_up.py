"""The rollout of an agent of `omnia up`: its candidate is a second runtime on this machine."""

import asyncio
import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from omnia_cli.local.control import ControlFailed, ControlRequest, asked_of
from omnia_cli.running import listed
from omnia_core.files.rollout import Schedule, on_candidate
from omnia_core.session_ids import began_ms
from omnia_operator.api.rollout import RolloutPhase, RolloutResult, RolloutStatus
from omnia_operator.rollout.times import milliseconds
from tests.end_to_end.conftest import LIMIT, OMNIA, ROOT, Start, Up
from tests.services import free_port

AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: shop}}
spec:
  prompt: {{system: You sell shoes.}}
  facade: {{type: websocket, port: {port}}}
  providers:
    - {{name: default, providerRef: {{name: {stable}}}}}
  rollout:
    candidate:
      providerRefs: [{{name: default, providerRef: {{name: {candidate}}}}}]
    steps: {steps}
    rollback: {{mode: automatic}}
"""
PROVIDER = """\
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {{name: {name}}}
spec: {{type: mock, mock: {{responses: {responses}}}}}
"""
ANALYSIS = """\
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: RolloutAnalysis
metadata: {name: errors}
spec:
  metrics:
    - name: errors
      interval: 1s
      count: 600
      provider: {agent: {measure: errorRate, worseBy: 0.05}}
"""
UNUSABLE = """\
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {name: unusable}
spec: {type: openai, model: m, secretRef: {name: unusable}}
---
apiVersion: v1
kind: Secret
metadata: {name: unusable}
stringData: {OPENAI_API_KEY: "two\\nlines"}
"""
PAUSED: list[dict[str, object]] = [{"setWeight": 50}, {"pause": {}}, {"setWeight": 100}]


def responses(name: str) -> dict[str, object]:
    """Return answers that name their side, and an error for those who ask for one."""
    failing = {"contains": "fail", "error": {"status": 400}} if name == "failing" else {}
    return {"defaultResponse": f"{name} answers", "matches": [failing] if failing else []}


@dataclass
class Shop:
    """A running agent with a rollout, and the command line beside it."""

    up: Up
    file: Path
    port: int
    environment: dict[str, str]
    url: str = ""

    def write(self, steps: list[dict[str, object]], candidate: str, stable: str = "first") -> None:
        agent = AGENT.format(
            port=self.port,
            stable=stable,
            candidate=candidate,
            steps=orjson.dumps(steps).decode(),
        )
        providers = (
            PROVIDER.format(name=name, responses=orjson.dumps(responses(name)).decode())
            for name in ("first", "second", "failing")
        )
        self.file.write_text("".join((agent, *providers, ANALYSIS, UNUSABLE)))

    def omnia(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*OMNIA, "rollout", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def status(self) -> RolloutStatus:
        (agent,) = [each for each in listed(self.environment) if each.name == "shop"]
        return asked_of(agent.control, ControlRequest("default", "shop")).rollout

    async def until(self, *phases: RolloutPhase) -> RolloutStatus:
        async with asyncio.timeout(LIMIT):
            while (found := await asyncio.to_thread(self.status)).phase not in phases:
                await self.begin()
        return found

    async def begin(self, content: str = "hello") -> tuple[str, str]:
        """Return the id of a new session, and what answers its first turn."""
        async with asyncio.timeout(LIMIT), connect(self.url, compression=None) as socket:
            return await announced(socket), await ask(socket, content)


async def announced(socket: ClientConnection) -> str:
    frame = orjson.loads(await socket.recv())
    assert frame["type"] == "connected", frame
    return str(frame["session_id"])


async def ask(socket: ClientConnection, content: str = "hello") -> str:
    """Return the first word of an answer, or the code of its error."""
    await socket.send(orjson.dumps({"type": "message", "content": content}).decode())
    async for text in socket:
        frame = orjson.loads(text)
        if frame["type"] == "error":
            return str(frame["error"]["code"])
        if frame["type"] == "done":
            return str(frame["content"]).partition(" ")[0]
    raise AssertionError("closed")


def side(status: RolloutStatus, session: str) -> str:
    """Return what answers a session by the weights of a rollout."""
    steps = tuple((milliseconds(each.time), each.weight) for each in status.weights)
    began = began_ms(session)
    assert began is not None
    schedule = Schedule("any", "here:1", steps=steps, over=status.over)
    return "second" if on_candidate(schedule, session, "", began) else "first"


@pytest.fixture
async def shop(start: Start, tmp_path: Path, environment: dict[str, str]) -> Shop:
    made = Shop(None, tmp_path / "agent.yaml", free_port(), environment)  # type: ignore[arg-type]
    made.write(PAUSED, "second")
    made.up = start(made.file)
    made.url = (await asyncio.to_thread(made.up.wait, "ready"))["url"]
    return made


async def test_weights_a_promotion_and_no_socket_is_closed(shop: Shop) -> None:
    async with AsyncExitStack() as stack:
        early = [
            await stack.enter_async_context(connect(shop.url, compression=None)) for _ in range(10)
        ]
        for socket in early:
            await announced(socket)
            assert await ask(socket) == "first", "stable answers what began before the rollout"
        status = await shop.until(RolloutPhase.PAUSED)
        assert shop.omnia("status", "shop")[0] == 3
        start_ms = milliseconds(status.weights[-1].time)
        held: list[tuple[ClientConnection, str]] = []
        while len(held) < 40:
            socket = await stack.enter_async_context(connect(shop.url, compression=None))
            session, said = await announced(socket), await ask(socket)
            assert said == side(status, session)
            if (began_ms(session) or 0) >= start_ms:
                held.append((socket, said))
        assert {said for _, said in held} == {"first", "second"}

        code, printed = await asyncio.to_thread(shop.omnia, "promote", "shop")
        assert (code, "Progressing" in printed) == (0, True), printed
        status = await shop.until(RolloutPhase.IDLE)
        assert (status.reason, status.last and status.last.result) == (
            "PromotedHeld",
            RolloutResult.PROMOTED,
        )
        assert "providers default second was promoted" in (status.message or "")
        assert shop.omnia("status", "shop")[0] == 0
        for socket in (*early, *(socket for socket, _ in held)):
            assert await ask(socket) == "second"
        assert {(await shop.begin())[1] for _ in range(10)} == {"second"}

    # The manifest follows: nothing is rolled out again.
    shop.write(PAUSED, "second", stable="second")
    async with asyncio.timeout(LIMIT):
        while (await asyncio.to_thread(shop.status)).reason != "NoActiveRollout":
            assert (await shop.begin())[1] == "second"
    (agent,) = listed(shop.environment)
    with pytest.raises(ControlFailed, match='no agent "other"'):
        asked_of(agent.control, ControlRequest("default", "other"))


async def test_an_abort_and_a_retry(shop: Shop) -> None:
    await shop.until(RolloutPhase.PAUSED)
    async with connect(shop.url, compression=None) as socket:
        await announced(socket)
        code, _ = await asyncio.to_thread(shop.omnia, "abort", "shop", "--reason", "too slow")
        assert code == 0
        status = await shop.until(RolloutPhase.IDLE)
        assert status.last
        assert (status.last.result, status.last.reason) == (RolloutResult.ROLLED_BACK, "too slow")
        assert await ask(socket) == "first"
    assert shop.omnia("status", "shop")[0] == 1
    code, printed = await asyncio.to_thread(shop.omnia, "abort", "shop")
    assert (code, "does not fit a rollout that is Idle" in printed) == (2, True), printed
    assert (await asyncio.to_thread(shop.omnia, "retry", "shop"))[0] == 0
    await shop.until(RolloutPhase.PAUSED)
    assert (await asyncio.to_thread(shop.omnia, "promote", "shop", "--full"))[0] == 0
    await shop.until(RolloutPhase.IDLE)
    assert (await shop.begin())[1] == "second"


async def test_a_candidate_that_fails_is_found_by_its_analysis(shop: Shop) -> None:
    steps: list[dict[str, object]] = [
        {"setWeight": 50},
        {"analysis": {"templateName": "errors"}},
        {"setWeight": 100},
    ]
    shop.write(steps, "failing")
    async with asyncio.timeout(LIMIT):
        while (found := await asyncio.to_thread(shop.status)).last is None:
            await asyncio.gather(*(shop.begin("fail, if you can") for _ in range(4)))
    assert found.last.result is RolloutResult.ROLLED_BACK
    assert "surely worse than allowed" in found.last.reason
    assert (await shop.begin())[1] == "first"


async def test_a_candidate_whose_runtime_ends_is_rolled_back(shop: Shop) -> None:
    shop.write(PAUSED, "unusable")
    async with asyncio.timeout(LIMIT):
        while (found := (await asyncio.to_thread(shop.status)).last) is None:
            assert (await shop.begin())[1] in ("first", "second")
    assert found.result is RolloutResult.ROLLED_BACK
    assert "runtime ended: exit code 2" in found.reason
    assert "cannot be sent in a header" in found.reason
    assert (await shop.begin())[1] == "first"


async def test_a_candidate_that_cannot_run_waits_with_the_reason(shop: Shop) -> None:
    shop.write(PAUSED, "third")
    async with asyncio.timeout(LIMIT):
        while "third" not in ((await asyncio.to_thread(shop.status)).message or ""):
            assert (await shop.begin())[1] in ("first", "second")
    shop.write(PAUSED, "second")
    status = await shop.until(RolloutPhase.PAUSED)
    assert status.reason == "PauseStep"
