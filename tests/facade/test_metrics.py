"""What the facade counts, as Prometheus would read it."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.entrance.errors import Rejection
from omnia_facade.metrics import MediaMetrics, MetricFactory, VoiceMetrics
from tests.facade.conftest import Running, connected
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime
from tests.facade.test_admission import counted

LABELS = {"agent": "a", "namespace": "n"}


async def until(facade: Running, name: str, value: float) -> None:
    """Wait until a series has a value."""
    async with asyncio.timeout(LIMIT):
        found = await counted(facade, name)
        while found != value:
            found = await counted(facade, name)


async def test_resumed_sessions_are_active_until_their_connection_ends(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.resume = pb.RESUME_STATE_RESUMABLE
    async with connected(f"{agent.ws}?session_id=old") as client, connected(agent.ws) as other:
        await client.receive()
        await client.say("hello", session_id="older")
        await client.answer()
        await other.say("hello")
        await other.answer()
        assert await counted(agent, "omnia_agent_sessions_active") == 4
        runtime.resume = pb.RESUME_STATE_NOT_FOUND
        await client.say("hello", session_id="gone")
        await client.answer()
        assert await counted(agent, "omnia_agent_sessions_active") == 4
    await until(agent, "omnia_agent_connections_active", 0)
    assert await counted(agent, "omnia_agent_sessions_active") == 0
    assert await counted(agent, "omnia_agent_connections_total") == 2


async def test_the_wait_of_a_message_and_its_first_chunk_are_timed(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("ask")
        await client.until("tool_call")
        await client.say("waits")
        await asyncio.sleep(0.15)
        await client.send("tool_result", tool_result={"call_id": "c1", "result": 1})
        await client.answer()
        await client.answer()
    # the first message had no chunk, and waited for nobody
    assert (
        await counted(agent, "omnia_agent_time_to_first_chunk_seconds_count", variant="stable") == 1
    )
    assert await counted(agent, "omnia_agent_queue_wait_seconds_count") == 2
    waited = await counted(agent, "omnia_agent_queue_wait_seconds_sum")
    assert (
        0.15
        <= waited
        <= await counted(agent, "omnia_agent_time_to_first_chunk_seconds_sum", variant="stable")
    )
    assert waited < LIMIT


async def test_who_keeps_sessions_is_told(agent: Running) -> None:
    assert await counted(agent, "omnia_agent_session_store", mode="runtime") == 1


def test_media_are_counted_by_outcome() -> None:
    registry = CollectorRegistry()
    media = MediaMetrics(MetricFactory(registry, "a", "n"))
    media.uploaded(100, 0.2, success=True)
    media.uploaded(50, 0.1, success=False)
    media.downloaded(30, success=True)
    values = {
        "omnia_facade_uploads_total": ("success", 1),
        "omnia_facade_downloads_total": ("failed", 0),
    }
    for name, (status, expected) in values.items():
        assert registry.get_sample_value(name, {**LABELS, "status": status}) == expected
    assert registry.get_sample_value("omnia_facade_upload_bytes_total", LABELS) == 100
    assert registry.get_sample_value("omnia_facade_download_bytes_total", LABELS) == 30
    assert registry.get_sample_value("omnia_facade_upload_duration_seconds_count", LABELS) == 2


def test_voice_is_counted_in_both_directions() -> None:
    registry = CollectorRegistry()
    voice = VoiceMetrics(MetricFactory(registry, "a", "n"))
    voice.sent(10, binary=True)
    voice.received(20)
    voice.delivered(0.001)
    chunks = registry.get_sample_value(
        "omnia_facade_media_chunks_total", {**LABELS, "type": "binary"}
    )
    assert chunks == 1
    for name, expected in (
        ("omnia_facade_media_chunk_bytes_total", 10),
        ("omnia_facade_audio_frames_received_total", 1),
        ("omnia_facade_audio_bytes_received_total", 20),
        ("omnia_facade_audio_ingest_duration_seconds_count", 1),
    ):
        assert registry.get_sample_value(name, LABELS) == expected


PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


@pytest.mark.parametrize("reason", Rejection)
def test_the_page_has_every_reason(reason: Rejection) -> None:
    section = PAGE.read_text().partition("## Facade\n")[2].partition("\n## ")[0]
    assert f"\n| `{reason}` | " in section
