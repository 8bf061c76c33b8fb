"""What the facade makes of the trial of a message."""

import aiohttp
import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import connected, running
from tests.facade.scripted_runtime import ScriptedRuntime, serving

TRIAL = {"version": "2.1.0", "provider": "fast", "system": "Be short."}


async def test_a_trial_reaches_the_runtime_where_it_is_allowed() -> None:
    runtime = ScriptedRuntime()
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", trial=True) as facade,
        connected(facade.ws) as talk,
    ):
        await talk.say("hello", trial=TRIAL)
        assert (await talk.answer())[-1]["type"] == "done"
        await talk.say("again")
        await talk.answer()
        for bad in ({"version": 1}, {"system": "x" * 40_000}, "2.1.0", ["2.1.0"]):
            await talk.say("hello", trial=bad)
            assert (await talk.receive())["error"]["code"] == "INVALID_MESSAGE"
    first, second = runtime.received
    assert first.trial == pb.Trial(**TRIAL)
    assert not second.HasField("trial")


@pytest.mark.covers("websocket.md#trial-not-allowed")
async def test_a_trial_is_refused_where_it_is_not_allowed() -> None:
    runtime = ScriptedRuntime()
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}") as facade,
        connected(facade.ws) as talk,
    ):
        await talk.say("hello", trial=TRIAL)
        error = (await talk.receive())["error"]
        await talk.say("hello")
        await talk.answer()
    assert error["code"] == "INVALID_MESSAGE"
    assert "OMNIA_TRIAL" in error["message"]
    assert len(runtime.received) == 1


@pytest.mark.covers("websocket.md#trial-marked")
async def test_the_metrics_count_a_trial_apart_also_where_only_the_runtime_knows_it() -> None:
    runtime = ScriptedRuntime()
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", trial=True) as facade,
        aiohttp.ClientSession() as http,
    ):
        # The first says so itself, and the runtime dies. The others continue such a session, or a
        # fork of one.
        for said in (["die"], ["tried"], ["tried fail"], ["tried", "die"]):
            async with connected(facade.ws) as talk:
                for content in said:
                    await talk.say(content, **({"trial": TRIAL} if said == ["die"] else {}))
                    await talk.answer()
        # A runtime that tries nothing out says so.
        async with connected(facade.ws) as talk:
            await talk.say("hello", trial=TRIAL)
            await talk.answer()
        async with http.get(f"{facade.health}/metrics") as got:
            metrics = await got.text()

    def count(name: str, **labels: str) -> float:
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in metrics.splitlines()
            if line.startswith(f"{name}{{") and all(each in line for each in wanted)
        )

    turns = "omnia_agent_requests_total"
    assert count(turns, variant="trial", status="success") == 2
    assert count(turns, variant="trial", status="error") == 3
    assert count(turns, variant="stable") == 1
    for histogram in ("request_duration_seconds", "time_to_first_chunk_seconds"):
        assert count(f"omnia_agent_{histogram}_count", variant="trial") == 5
        assert count(f"omnia_agent_{histogram}_count", variant="stable") == 1
