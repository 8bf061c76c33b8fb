"""A server that keeps failing is left alone, and found again."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions.audit import EventKind
from omnia_runtime.observe.audit import AuditRecorder, recording
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from omnia_runtime.tools.credentials import CredentialUnusable
from omnia_runtime.tools.guarded import FAULTS, OPEN_SECONDS, GuardedSource, ToolTimeout

LIMIT = 60
FAULT = ToolFailed("down", server_fault=True)
REFUSAL = ToolFailed("no such order")


class Server:
    """Ends calls as it is told; counts them.

    Attributes:
        ends: what the next calls end with; a good answer when there is nothing more.
        hold: when set, calls wait for it.
        began: is set by each call.
    """

    name = "shop"

    def __init__(self) -> None:
        self.timeout = 5.0
        self.ends: Iterator[Exception] = iter(())
        self.calls: list[object] = []
        self.began = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self.now = 1000.0

    def specs(self) -> list[ToolSpec]:
        return []

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        self.calls.append((tool, arguments, context))
        self.began.set()
        if self.hold:
            await self.hold.wait()
        for end in self.ends:
            raise end
        return ToolResult("{}")


async def ended(source: GuardedSource) -> str:
    """Call, and tell how it ended."""
    try:
        return (await source.call("t", {}, CallContext())).content
    except (ToolFailed, ToolRetry) as error:
        return str(error)


async def cut(server: Server, source: GuardedSource) -> None:
    """Call, and cancel the call when it has reached the server."""
    server.began.clear()
    task = asyncio.create_task(source.call("t", {}, CallContext()))
    await server.began.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def source(server: Server) -> GuardedSource:
    return GuardedSource(server, clock=lambda: server.now)


async def test_faults_in_a_row_make_the_handler_unavailable_for_a_while(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * FAULTS)
    assert {await ended(source) for _ in range(FAULTS)} == {"down"}
    assert 'handler "shop" keeps failing: unavailable until' in await ended(source)
    assert len(server.calls) == FAULTS

    server.now += OPEN_SECONDS
    assert await ended(source) == "{}"
    assert await ended(source) == "{}"


async def test_one_call_finds_out_and_the_others_are_told_to_wait_a_second(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * FAULTS)
    for _ in range(FAULTS):
        await ended(source)
    server.now += OPEN_SECONDS
    server.hold = asyncio.Event()
    server.began.clear()
    probe = asyncio.create_task(ended(source))
    await server.began.wait()
    told = await ended(source)
    assert "unavailable until" in told
    assert "UTC, in 1 s" in told
    assert len(server.calls) == FAULTS + 1
    server.hold.set()
    assert await probe == "{}"
    assert await ended(source) == "{}"


async def test_a_probe_that_fails_leaves_the_handler_unavailable(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * (FAULTS + 1))
    for _ in range(FAULTS):
        await ended(source)
    server.now += OPEN_SECONDS
    assert await ended(source) == "down"
    assert "unavailable until" in await ended(source)
    server.now += OPEN_SECONDS
    assert await ended(source) == "{}"


@pytest.mark.parametrize("end", [REFUSAL, ToolRetry("wrong id")])
async def test_what_the_server_refuses_is_no_fault_of_it(
    server: Server, source: GuardedSource, end: Exception
) -> None:
    server.ends = iter([end] * (3 * FAULTS))
    assert {await ended(source) for _ in range(3 * FAULTS)} == {str(end)}


async def test_an_answer_in_between_starts_the_count_anew(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * (FAULTS - 1) + [REFUSAL] + [FAULT] * (FAULTS - 1))
    for _ in range(2 * FAULTS - 1):
        await ended(source)
    assert await ended(source) == "{}"


async def test_timeouts_count_and_a_turn_that_is_cancelled_does_not(
    server: Server, source: GuardedSource
) -> None:
    server.hold = asyncio.Event()
    for _ in range(2 * FAULTS):
        await cut(server, source)
    server.timeout = 0.05
    for _ in range(FAULTS):
        with pytest.raises(ToolTimeout, match=r"did not answer within 0\.05 s"):
            await source.call("t", {}, CallContext())
    assert "unavailable" in await ended(source)


async def test_a_probe_that_is_cancelled_leaves_the_next_call_to_find_out(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * FAULTS)
    for _ in range(FAULTS):
        await ended(source)
    server.now += OPEN_SECONDS
    server.hold = asyncio.Event()
    await cut(server, source)
    server.hold = None
    assert await ended(source) == "{}"


async def test_people_who_do_not_answer_make_nothing_unavailable(server: Server) -> None:
    source = GuardedSource(server, breaks=False)
    server.ends = iter([FAULT] * (2 * FAULTS))
    assert {await ended(source) for _ in range(2 * FAULTS)} == {"down"}


async def test_five_faults_are_borne_and_the_wait_is_said_in_seconds_and_as_a_time(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * 6)
    for _ in range(5):
        assert not source.broken
        assert await ended(source) == "down"
    assert source.broken
    for passed, left in ((0.0, 30), (10.0, 20), (19.75, 1)):
        server.now += passed
        began = datetime.now(UTC)
        said = await ended(source)
        moments = [began + timedelta(seconds=left + number - 1) for number in range(LIMIT)]
        assert said in {
            f'handler "shop" keeps failing: unavailable until {moment:%H:%M:%S} UTC, in {left} s'
            for moment in moments
        }
    server.now += 0.25
    assert await ended(source) == "down"
    server.now += 29.5
    assert "unavailable until" in await ended(source)
    server.now += 0.5
    assert await ended(source) == "{}"
    assert not source.broken


async def test_a_call_that_is_not_made_is_in_the_audit_trail(
    server: Server, source: GuardedSource
) -> None:
    server.ends = iter([FAULT] * FAULTS)
    recorder = AuditRecorder()
    with recording(recorder):
        for _ in range(FAULTS + 1):
            await ended(source)
    found = [(each.kind, each.detail) for each in recorder.take().events]
    assert found == [(EventKind.BREAKER_OPEN, "shop")]


async def test_a_credential_that_cannot_be_used_says_nothing_about_the_server(
    server: Server, source: GuardedSource
) -> None:
    unusable = CredentialUnusable("no credential")
    server.ends = iter([FAULT] * (FAULTS - 1) + [unusable] * 3 + [FAULT, unusable, FAULT])
    found = [await ended(source) for _ in range(FAULTS + 2)]
    assert found == ["down"] * (FAULTS - 1) + ["no credential"] * 3
    assert not source.broken
    assert await ended(source) == "down"
    assert source.broken
    server.now += OPEN_SECONDS
    assert await ended(source) == "no credential"
    # The next call probes the server.
    assert await ended(source) == "down"


async def test_every_result_is_checked(server: Server) -> None:
    checked: list[str] = []

    def check(result: ToolResult) -> None:
        checked.append(result.content)
        raise ToolFailed("it violates its schema")

    for breaks in (True, False):
        source = GuardedSource(server, check=check, breaks=breaks)
        assert not source.broken
        for _ in range(2 * FAULTS):
            assert await ended(source) == "it violates its schema"
        assert not source.broken
    assert checked == ["{}"] * 4 * FAULTS
    assert (source.name, source.timeout, source.specs()) == ("shop", 5.0, [])
