"""What the facade makes of the trial of a message."""

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
