"""`python -m omnia_runtime.evals cases`: answers and evaluates the cases of standard input.

Cases come as JSON lines from standard input; an answer for each repetition of each goes to standard
output in the order in which they end. Sessions are kept in memory, and nothing listens on a port.
`omnia eval` is its caller.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct, structs
from prometheus_client import CollectorRegistry

from omnia_core.env import RuntimeEnv
from omnia_core.files.cassette import key_of
from omnia_core.files.evals.case_results import CaseResult
from omnia_runtime.cassettes.cassette import open_cassette
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.evals.cases import Case, CaseRunner
from omnia_runtime.evals.recorded_calls import from_recording
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.tools.recorded import Routes, recording, replaying
from omnia_runtime.tools.sources import ToolSources


class CaseOptions(Struct, frozen=True, omit_defaults=True):
    """How cases are run.

    Attributes:
        parallel: how many at the same time.
        max_cost_usd: no case is begun when so much is spent.
        cassette: the file with the recorded tools; "" for none.
        mode: what is done with it.
        tools: servers: tool servers are asked; recording: those of the case's session answer;
            none: nothing is asked, so there are none.
    """

    parallel: int = 1
    max_cost_usd: float | None = None
    cassette: str = ""
    mode: Literal["record", "replay"] = "replay"
    tools: Literal["servers", "recording", "none"] = "servers"


@asynccontextmanager
async def opened(env: RuntimeEnv, options: CaseOptions) -> AsyncIterator[CaseRunner]:
    """Build the agent of an environment.

    Raises:
        ConfigurationError: a file of the agent, or the cassette, is invalid.
    """
    # The names of these sessions are not used.
    env = structs.replace(env, session_naming=False)
    client = HTTPClient()
    metrics = RuntimeMetrics(CollectorRegistry(), env.agent_name, env.namespace)
    live: LiveConfiguration | None = None

    def changed() -> None:
        if live is not None:
            live.invalidate()

    sources = ToolSources(client, changed, deny_private=env.tools_deny_private_addresses)
    replaced, at = _tools(options)
    try:
        live = LiveConfiguration(Loader(env, client, sources, metrics, replaced))
        if options.tools != "none" and not (options.cassette and options.mode == "replay"):
            sources.start()
            await sources.settled()
            live.refresh()
        runner = CaseRunner(env, live, client, at)
        try:
            yield runner
        finally:
            await runner.close()
    finally:
        await sources.close()
        await client.close()


def _tools(options: CaseOptions) -> tuple[Callable[[Routes], Routes], datetime | None]:
    """Return what is put in the place of tool servers, and the time of a recording."""
    if options.tools == "none":
        return lambda _routes: {}, None
    if options.tools == "recording":
        return from_recording, None
    if not options.cassette:
        return lambda routes: routes, None
    cassette = open_cassette(options.cassette, options.mode)
    replaced = replaying(cassette) if options.mode == "replay" else recording(cassette)
    return replaced, cassette.recorded_at


def conversations(cases: Sequence[Case]) -> list[str]:
    """Return a name for each case: the same in each run of the same dataset, and unique in it.

    Cases that are added to a dataset, or taken out of it, change no other name.
    """
    seen: defaultdict[str, int] = defaultdict(int)
    found = []
    for case in cases:
        said = key_of([case.messages, case.metadata])[:12]
        seen[said] += 1
        found.append(f"{said}-{seen[said]}")
    return found


async def serve(env: RuntimeEnv, options: CaseOptions) -> None:
    """Answer the cases of standard input."""
    lines = await asyncio.to_thread(sys.stdin.buffer.readlines)
    cases = [msgspec.json.decode(line, type=Case) for line in lines if line.strip()]
    slots = asyncio.Semaphore(options.parallel)
    limit, spent = options.max_cost_usd, 0.0

    async def answer(runner: CaseRunner, case: Case, conversation: str) -> None:
        nonlocal spent
        async with slots:
            if limit is not None and spent >= limit:
                why = f"{spent:.4f} USD are spent, and --max-cost is {limit:g}"
                result = CaseResult(case.index, case.repeat, not_asked=why)
            else:
                result = await runner.run(case, conversation)
                spent += result.cost_usd
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()

    async with opened(env, options) as runner, asyncio.TaskGroup() as group:
        for case, conversation in zip(cases, conversations(cases), strict=True):
            group.create_task(answer(runner, case, conversation))
