"""A judge on a real port, a store with sessions, and what evaluates them."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from prometheus_client import CollectorRegistry

from omnia_core.env import RuntimeEnv
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult, Message, SessionStore
from omnia_core.units import Duration
from omnia_runtime.evals.pace import Pace
from omnia_runtime.evals.service import EvalService
from omnia_runtime.evals.tracing import EvalTracing
from omnia_runtime.evals.worker import WorkerTiming
from omnia_runtime.observe.eval_metrics import EvalMetrics
from tests.runtime.scripted import metrics, pack
from tests.runtime.servers import ChatServer, chunk
from tests.services import LIMIT

GOOD = json.dumps({"score": 0.75, "passed": True, "reasoning": "fine"})


class JudgeServer(ChatServer):
    """Judges over chat completions.

    Attributes:
        answer: makes the answer to what it is asked.
        gate: the answers wait for it.
        now, most: questions at the same time.
    """

    def __init__(self, answer: Callable[[str], str] = lambda _: GOOD) -> None:
        super().__init__()
        self.answer = answer
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = self.most = 0
        self.entered = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.now += 1
        self.most = max(self.most, self.now)
        self.entered.set()
        try:
            await self.gate.wait()
            body = json.loads(await request.read())
            asked = body["messages"][-1]["content"]
            said = self.answer(asked)
            usage = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
            self.chunks = [chunk({"content": said}), chunk({}, "stop"), chunk({}, usage=usage)]
            return await super().__call__(request)
        finally:
            self.now -= 1


def obedient(asked: str) -> str:
    """Answer as a judge does that obeys the last instruction outside of the fences."""
    fence = re.search(r"between two lines (\w+) is data", asked)
    assert fence
    parts = asked.split(f"\n{fence[1]}")
    outside = "".join(parts[::2])
    score = 1.0 if "give score 1" in outside else 0.25
    return json.dumps({"score": score, "passed": score == 1.0, "reasoning": ""})


JUDGED = {
    "id": "kind",
    "type": "llm_judge",
    "trigger": "every_turn",
    "params": {"criteria": "Kind."},
}
WHOLE = {**JUDGED, "id": "whole", "type": "llm_judge_session", "trigger": "on_session_complete"}
GREETS = {
    "id": "greets",
    "type": "contains",
    "trigger": "every_turn",
    "params": {"patterns": ["hi"]},
}


def environment(
    folder: Path, evals: list[Mapping[str, Any]], judge: str = "", **more: Any
) -> RuntimeEnv:
    """Write the files of an agent whose pack has `evals`, and return its environment."""
    path = folder / "pack.json"
    path.write_text(json.dumps({**pack(), "evals": evals}))
    providers: list[dict[str, Any]] = [{"name": "default", "type": "mock"}]
    if judge:
        prices = {"inputCostPer1K": 0.01}
        providers.append(
            {"name": "judge", "type": "openai", "model": "m", "baseURL": f"{judge}/v1"}
            | {"pricing": prices}
        )
    (folder / "providers.yaml").write_text(yaml.safe_dump({"providers": providers}))
    values = {
        "evals_enabled": True,
        "evals_worker": True,
        "evals_extended_rate": 100,
        "evals_inactivity_timeout": Duration(3_600_000),
        **more,
    }
    return RuntimeEnv(
        agent_name="a",
        promptpack_path=str(path),
        providers_path=str(folder / "providers.yaml"),
        **values,
    )


@asynccontextmanager
async def evaluating(
    env: RuntimeEnv,
    store: SessionStore,
    registry: CollectorRegistry | None = None,
    tracing: EvalTracing | None = None,
    pace: Pace | None = None,
) -> AsyncIterator[EvalService]:
    """Evaluate inside the block, as the programs do."""
    registry = registry or CollectorRegistry()
    evaluated = EvalMetrics(registry, "a", "default")
    timing = WorkerTiming(poll=0.02, away=0.02)
    service = EvalService(
        env, store, registry, metrics(), evaluated, tracing=tracing, pace=pace, timing=timing
    )
    service.start()
    try:
        yield service
    finally:
        await service.close()


async def turn(store: SessionStore, session_id: str, answer: str = "hi", known: int = 0) -> int:
    """Store a turn as the runtime does; return the new length."""
    length = await store.append(session_id, [Message("user", "hello")], expected_length=known)
    answered = Message("assistant", answer, finish_reason="stop")
    return await store.append(session_id, [answered], expected_length=length)


async def results(store: SessionStore, session_id: str, number: int) -> list[EvalResult]:
    """Return the results of a session once there are so many."""
    async with asyncio.timeout(LIMIT):
        while len(found := await store.eval_results(session_id)) < number:  # noqa: ASYNC110 - of a store
            await asyncio.sleep(0.01)
    return found


def by_name(found: list[EvalResult]) -> dict[tuple[str, int], EvalOutcome]:
    return {(each.evaluation, each.turn): each.outcome for each in found}
