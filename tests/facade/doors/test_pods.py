"""Runs of an agent with several pods: read, stopped and continued at another pod."""

import asyncio
from typing import Any

import pytest

from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import LONG, opened, request, until
from tests.facade.doors.pods_bed import (
    SharedStore,
    one_store,
    pods,
    shared_store,
    stored_runtime,
)
from tests.facade.doors.test_chat_door import said, text_of, types
from tests.runtime.scripted import Mounted

__all__ = ["pods", "shared_store", "stored_runtime"]


def chat(session_id: str, text: str) -> dict[str, Any]:
    return {**said(text), "id": session_id}


async def read_pieces(response: Any, count: int) -> None:
    """Read so many lines with a piece of the answer."""
    async for line in response.content:
        count -= b"text-delta" in line
        if count < 0:
            return


async def cut_and_resumed(one: Running, two: Running, pieces: int) -> str:
    """Cut the answer at one pod after so many pieces, and read it at the other."""
    session_id = f"cut-{pieces}"
    async with opened(one, "/api/chat", chat(session_id, "slowly please")) as response:
        await read_pieces(response, pieces)
    again = await request(two, "GET", f"/api/chat/{session_id}/stream")
    assert again.headers["Omnia-Session-Id"] == session_id
    assert types(again.events)[-1] == "[DONE]"
    assert types(again.events).count("finish") == 1
    return text_of(again.events)


@pytest.mark.covers("doors.md#other-pod")
async def test_an_answer_that_is_cut_at_any_point_is_whole_at_another_pod(
    pods: tuple[Running, Running],
) -> None:
    cuts = (0, 1, 2, 3, 5, 8, 13, 21, 34)
    answers = await asyncio.gather(*(cut_and_resumed(*pods, pieces) for pieces in cuts))
    assert answers == [LONG] * len(cuts)


async def test_another_pod_stops_a_run(pods: tuple[Running, Running]) -> None:
    one, two = pods
    async with opened(one, "/api/chat", chat("stopped", "slowly please")) as response:
        await read_pieces(response, 2)
        assert (await request(two, "POST", "/api/chat/stopped/stop")).status == 204
        rest = await response.content.read()
    assert b'"type":"abort"' in rest


async def test_the_result_of_a_client_tool_reaches_the_pod_that_waits(
    pods: tuple[Running, Running],
) -> None:
    one, two = pods
    asked = await request(one, "POST", "/api/chat", chat("tool", "pick one"))
    call = next(event for event in asked.events if event["type"] == "tool-input-available")
    part = {
        "type": "tool-pick_date",
        "toolCallId": call["toolCallId"],
        "state": "output-available",
        "output": {"day": 7},
    }
    body = chat("tool", "pick one")
    body["messages"].append({"id": "a1", "role": "assistant", "parts": [part]})
    answered = await request(two, "POST", "/api/chat", body)

    assert "You picked" in text_of(answered.events)


@pytest.mark.covers("chat.md#same-message", "chat.md#history")
async def test_the_same_message_at_another_pod_begins_no_second_turn(
    pods: tuple[Running, Running],
) -> None:
    one, two = pods
    async with opened(one, "/api/chat", chat("twice", "slowly please")) as response:
        await read_pieces(response, 1)
        again = await request(two, "POST", "/api/chat", chat("twice", "slowly please"))
    assert text_of(again.events) == LONG
    history = await request(two, "GET", "/api/chat/twice")
    assert [message["role"] for message in history.body["messages"]] == ["user", "assistant"]


@one_store
@pytest.mark.covers("doors.md#dead-pod")
async def test_a_run_whose_pod_is_killed_is_not_waited_for(
    stored_runtime: Mounted, shared_store: SharedStore, pods: tuple[Running, Running]
) -> None:
    _, two = pods
    environment = {**shared_store.environment, "OMNIA_POD_ADDRESS": "127.0.0.1"}
    with bed.facade_process(stored_runtime, **environment) as gone:
        async with opened(gone, "/api/chat", chat("gone", "slowly please")) as response:
            await read_pieces(response, 5)
    answer = await request(two, "GET", "/api/chat/gone/stream")
    assert answer.status in (204, 503)

    async def is_known_to_have_ended() -> bool:
        return (await request(two, "GET", "/api/chat/gone/stream")).status == 204

    # The lease of the record ends.
    await until(is_known_to_have_ended, 50)
    history = await request(two, "GET", "/api/chat/gone")
    assert LONG.startswith(history.body["messages"][1]["parts"][1]["text"])
