"""The CPU cost of evaluating a turn after its answer, as `make bench-evals` prints it.

A turn with an answer of 876 characters and a tool call is evaluated by ten evaluations that need no
model, in this process, with sessions in memory: sampled, measured, counted, and kept. Counted is
the CPU time of the whole process. The yardstick is the CPU time of the turn itself, which the mock
provider answers, in the same round.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
import yaml
from msgspec import structs
from prometheus_client import CollectorRegistry

from omnia_core.conversation.tools import ToolCall
from omnia_core.env import RuntimeEnv
from omnia_core.sessions import Message
from omnia_core.sessions.memory import MemorySessionStore
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.evals import inline
from omnia_runtime.evals.inline import InlineEvals
from omnia_runtime.evals.pace import Pace
from omnia_runtime.evals.selection import Rates
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import DiscardingListener
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.ended import EndedTurn
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn

GOAL_MS = 0.2
ANSWER = (
    "Your order A-1001 left our warehouse this morning, is on its way to you by the carrier that"
    " you chose, and arrives on 12 March. " * 7
)[:876]
EVALS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("contains", {"patterns": ["order", "12 March", "arrives"]}),
    ("contains_any", {"patterns": ["sorry", "on its way"]}),
    ("content_excludes", {"patterns": ["I cannot", "as an AI"]}),
    ("regex", {"pattern": r"A-\d{4}"}),
    ("min_length", {"min": 20}),
    ("max_length", {"max": 4000}),
    ("max_sentences", {"max": 40}),
    ("tools_called", {"tools": ["get_order"]}),
    ("tool_call_sequence", {"sequence": ["get_order"]}),
    ("latency_budget", {"max_ms": 5000}),
)


def write(folder: Path) -> RuntimeEnv:
    """Write the files of the agent, and return its environment."""
    evals = [
        {"id": name, "type": name, "trigger": "every_turn", "params": params}
        for name, params in EVALS
    ]
    prompt = {"id": "main", "name": "Main", "version": "1.0.0", "system_template": "You help."}
    pack = {
        "id": "bench",
        "name": "Bench",
        "version": "1.0.0",
        "template_engine": {"version": "v1", "syntax": "{{variable}}"},
        "prompts": {"main": prompt},
        "evals": evals,
    }
    (folder / "pack.json").write_text(json.dumps(pack))
    (folder / "mock.yaml").write_text(yaml.safe_dump({"defaultResponse": ANSWER}))
    provider = {
        "name": "default",
        "type": "mock",
        "model": "m",
        "mockResponsesPath": str(folder / "mock.yaml"),
    }
    (folder / "providers.yaml").write_text(yaml.safe_dump({"providers": [provider]}))
    return RuntimeEnv(
        agent_name="bench",
        promptpack_path=str(folder / "pack.json"),
        providers_path=str(folder / "providers.yaml"),
        tools_path=str(folder / "tools.yaml"),
        evals_enabled=True,
    )


class Bench:
    """An agent whose turns are evaluated when the bench says so."""

    def __init__(self, folder: Path) -> None:
        env = write(folder)
        registry = CollectorRegistry()
        metrics = RuntimeMetrics(registry, "bench", "default")
        self._client = client = HTTPClient()
        live = LiveConfiguration(Loader(env, client, ToolSources(client, lambda: None), metrics))
        self._store = MemorySessionStore(env.session_ttl)
        self._ended: list[EndedTurn] = []
        self._turns = SessionTurns(
            live, self._store, MediaLoader(folder), metrics, RuntimeTracing(), self._ended.append
        )
        self._evals = InlineEvals(
            self._store, EvalMetrics(registry, "bench", "default"), Rates(), Pace(1e9)
        )

    async def round(self, count: int) -> tuple[float, float]:
        """Return the CPU milliseconds of a turn, and those of its evaluation."""
        self._ended.clear()
        began = time.process_time()
        for number in range(count):
            turn = UserTurn(f"s{number % 50}", "Where is my order?", (), {}, [])
            await self._turns.run(turn, DiscardingListener(), Caller())
        turns = time.process_time() - began
        ended = [_with_call(each) for each in self._ended]
        spent = 0.0
        most = inline.MOST_WAITING // len(EVALS)
        for first in range(0, count, most):
            began = time.process_time()
            for each in ended[first : first + most]:
                self._evals.submit(each)
            await self._evals.drain()
            spent += time.process_time() - began
        return turns / count * 1000, spent / count * 1000

    async def close(self) -> None:
        """End what runs in the background."""
        await self._turns.close()
        await self._evals.close()
        await self._client.close()


def _with_call(turn: EndedTurn) -> EndedTurn:
    question, *rest = turn.messages
    call = Message("assistant", tool_calls=(ToolCall("1", "get_order", '{"id": "A-1001"}'),))
    result = Message("tool", '{"status": "on its way"}', tool_call_id="1")
    return structs.replace(turn, messages=[question, call, result, *rest])


async def measure(rounds: int, count: int) -> list[tuple[float, float]]:
    """Return the rounds after the first one, which warms up."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        found = [await bench.round(count) for _ in range(rounds + 1)]
        await bench.close()
    return found[1:]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=1000, help="in a round")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found = asyncio.run(measure(arguments.rounds, arguments.turns))
    spent = [evaluation for _, evaluation in found]
    ratios = [evaluation / turn for turn, evaluation in found]
    middle = statistics.median(spent)
    print(f"evaluations of a turn       {len(EVALS)}")
    print(
        f"CPU of a turn, ms           {statistics.median(turn for turn, _ in found):.3f}"
        " (in this process, mock provider, sessions in memory)"
    )
    print(
        f"CPU of its evaluations, ms  {middle:.3f} ({min(spent):.3f}..{max(spent):.3f}),"
        f" goal ≤ {GOAL_MS}: {'met' if middle <= GOAL_MS else 'missed'}"
    )
    print(f"ratio to the turn           {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
