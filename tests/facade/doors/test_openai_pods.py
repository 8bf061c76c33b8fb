"""Conversations without ids, and responses, where the next request reaches another pod."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from omnia_core.env import SecretStr
from omnia_core.env.shared import SessionType
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import request
from tests.runtime.scripted import Mounted

COMPLETIONS = "/v1/chat/completions"
RESPONSES = "/v1/responses"


@pytest.fixture(scope="module", params=["redis", "sqlite"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mounted, dict[str, Any]]]:
    """A runtime, and what a facade is told of the database of its sessions."""
    folder = tmp_path_factory.mktemp("runtime")
    kind = request.param
    if kind == "sqlite":
        path = str(Path(folder) / "sessions.sqlite")
        environment = {"OMNIA_SESSION_TYPE": kind, "OMNIA_SESSION_PATH": path}
        given: dict[str, Any] = {"session_type": SessionType.SQLITE, "session_path": path}
    else:
        url = request.getfixturevalue("redis_url")
        environment = {"OMNIA_SESSION_TYPE": kind, "OMNIA_SESSION_URL": str(url)}
        given = {"session_type": SessionType(kind), "session_url": SecretStr(str(url))}
    with bed.mock_runtime(folder, bed.NUMBERED, **environment) as mounted:
        yield mounted, given


@pytest.fixture
async def pods(
    stored: tuple[Mounted, dict[str, Any]],
) -> AsyncIterator[tuple[Running, Running]]:
    mounted, given = stored
    async with bed.doors(mounted, **given) as first, bed.doors(mounted, **given) as second:
        yield first, second


async def test_a_conversation_without_ids_goes_on_at_another_pod(
    pods: tuple[Running, Running],
) -> None:
    messages: list[dict[str, str]] = []
    sessions = set()
    for turn in (1, 2, 3, 4):
        messages.append({"role": "user", "content": f"question {turn}"})
        answer = await request(pods[turn % 2], "POST", COMPLETIONS, {"messages": messages})
        text = answer.body["choices"][0]["message"]["content"]
        assert text == f"This is turn {turn}."
        messages.append({"role": "assistant", "content": text})
        sessions.add(answer.headers["Omnia-Session-Id"])
    assert len(sessions) == 1
    # The same history a second time is another conversation, at any pod.
    edited = [*messages[:2], {"role": "user", "content": "something else"}]
    for pod in pods:
        answer = await request(pod, "POST", COMPLETIONS, {"messages": edited})
        assert answer.headers["Omnia-Session-Id"] not in sessions
        assert answer.body["choices"][0]["message"]["content"] == "This is turn 2."


async def test_a_response_is_read_continued_and_deleted_at_another_pod(
    pods: tuple[Running, Running],
) -> None:
    first, second = pods
    made = (await request(first, "POST", RESPONSES, {"input": "a"})).body
    path = f"{RESPONSES}/{made['id']}"
    assert (await request(second, "GET", path)).body == made
    body = {"input": "b", "previous_response_id": made["id"]}
    following = await request(second, "POST", RESPONSES, body)
    assert following.body["output"][0]["content"][0]["text"] == "This is turn 2."
    forked = await request(first, "POST", RESPONSES, body)
    assert forked.body["error"]["code"] == "previous_response_not_last"
    assert (await request(second, "DELETE", path)).status == 200
    assert (await request(first, "GET", path)).status == 404
