"""A function call with an invalid input is recorded like any other."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from omnia_core.env import FacadeEnv, SessionType
from omnia_core.env.contract import SecretStr
from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import AuditTrail, Message
from omnia_core.sessions.audit import EventKind
from omnia_facade.functions.refused_inputs import MAX_PENDING, RefusedInputs
from tests.facade.functions_bed import FunctionRuntime, call, function
from tests.history.history_bed import api, database, file_in, get
from tests.services import LIMIT

ENV = FacadeEnv.parse({"OMNIA_AGENT_NAME": "summarizer"})


class Store:
    """A session store that may be slow, or away."""

    keeps_audit = True

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.stored: dict[str, tuple[list[Message], AuditTrail]] = {}
        self.ready = asyncio.Event()
        self.ready.set()
        self.failure: Exception | None = None

    def open(self, _: FacadeEnv) -> Any:
        self.opened += 1
        return self

    async def append(
        self, session_id: str, messages: list[Message], *, expected_length: int, audit: AuditTrail
    ) -> int:
        await self.ready.wait()
        if self.failure:
            raise self.failure
        assert expected_length == 0
        self.stored[session_id] = messages, audit
        return len(messages)

    async def close(self) -> None:
        self.closed += 1


def add(refused: RefusedInputs, number: int = 1, body: bytes = b"{") -> None:
    refused.add(f"call-{number}", "mia", body, "the body is not JSON", time.monotonic())


async def test_an_input_is_one_failed_turn_of_a_function() -> None:
    store = Store()
    refused = RefusedInputs(ENV, store.open)
    add(refused, body=b'{"text": "\xff"')
    await refused.close()
    messages, audit = store.stored["call-1"]
    assert [(message.role, message.content, message.user_id) for message in messages] == [
        ("user", '{"text": "\ufffd"', "mia"),
        ("assistant", "", ""),
    ]
    assert messages[1].finish_reason == "error"
    assert (audit.status, audit.tag, audit.turns) == ("error", "function", 1)
    assert [(event.kind, event.detail) for event in audit.events] == [
        (EventKind.TURN_BEGAN, ""),
        (EventKind.INPUT_INVALID, "the body is not JSON"),
    ]
    assert (store.opened, store.closed) == (1, 1)


async def test_a_slow_store_makes_no_queue_without_an_end() -> None:
    store = Store()
    store.ready.clear()
    refused = RefusedInputs(ENV, store.open)
    for number in range(MAX_PENDING + 5):
        add(refused, number)
    await asyncio.sleep(0)
    store.ready.set()
    await refused.close()
    assert len(store.stored) == MAX_PENDING
    add(refused, 1000)
    await refused.close()
    assert "call-1000" in store.stored


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (OmniaError(Code.UNAVAILABLE, "away"), {"reason": "away", "log_level": "warning"}),
        (
            TimeoutError(),
            {"reason": "the session store did not answer within 5 s", "log_level": "warning"},
        ),
        (RuntimeError("odd"), {"exc_info": True, "log_level": "error"}),
    ],
)
async def test_a_store_that_fails_fails_no_call(
    failure: Exception, logged: dict[str, object]
) -> None:
    store = Store()
    store.failure = failure
    refused = RefusedInputs(ENV, store.open)
    with capture_logs() as logs:
        add(refused)
        await refused.close()
    assert store.stored == {}
    assert logs == [{"event": "refused input not stored", "invocation_id": "call-1", **logged}]


async def test_an_input_that_is_stored_is_not_logged() -> None:
    store = Store()
    refused = RefusedInputs(ENV, store.open)
    with capture_logs() as logs:
        add(refused)
        await refused.close()
    assert logs == []


async def test_a_write_that_does_not_end_is_cancelled_before_the_store_is_closed() -> None:
    class Silent(Store):
        happened: list[str]

        async def append(self, *_: Any, **__: Any) -> int:
            try:
                return await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.happened.append("cancelled")
                raise

        async def close(self) -> None:
            self.happened.append("closed")

    store = Silent()
    store.happened = []
    refused = RefusedInputs(ENV, store.open)
    with capture_logs() as logs:
        add(refused)
        await refused.close()
    assert store.happened[0] == "cancelled"
    assert store.happened[-1] == "closed"
    # It is cancelled long before its own time is over, which would be logged.
    assert logs == []


async def test_a_long_input_and_a_long_reason_are_cut() -> None:
    store = Store()
    refused = RefusedInputs(ENV, store.open)
    refused.add("call-1", "mia", b"x" * 100_001, "y" * 501, time.monotonic() - 2)
    await refused.close()
    messages, audit = store.stored["call-1"]
    assert (len(messages[0].content), len(audit.events[1].detail)) == (100_000, 500)
    assert messages[0].created_at == messages[1].created_at == audit.events[0].at != ""
    assert audit.turn_ms is not None
    assert audit.turn_ms >= 2000


async def test_sixty_four_inputs_may_wait_and_the_others_are_logged() -> None:
    store = Store()
    store.ready.clear()
    refused = RefusedInputs(ENV, store.open)
    with capture_logs() as logs:
        for number in range(66):
            add(refused, number)
    store.ready.set()
    await refused.close()
    assert len(store.stored) == 64
    assert [each["invocation_id"] for each in logs] == ["call-64", "call-65"]
    assert {each["event"] for each in logs} == {"refused input not stored: too many wait"}


async def test_the_store_is_closed_after_the_last_input_and_opened_again() -> None:
    store = Store()
    refused = RefusedInputs(ENV, store.open)
    for number in range(2):
        add(refused, number)
        async with asyncio.timeout(LIMIT):
            while store.closed <= number:  # noqa: ASYNC110 - the store has no event
                await asyncio.sleep(0.01)
    assert (store.opened, store.closed) == (2, 2)
    await refused.close()


@pytest.mark.parametrize("kind", [SessionType.POSTGRES, SessionType.SQLITE])
async def test_the_history_has_the_calls_that_the_facade_refused(
    tmp_path: Path, request: pytest.FixtureRequest, kind: SessionType
) -> None:
    settings: dict[str, Any] = {"session_type": kind}
    if kind is SessionType.SQLITE:
        url = file_in(tmp_path / "kept")
        settings["session_path"] = url.removeprefix("sqlite://")
    else:
        url = await database(request.getfixturevalue("postgres"), "refused_inputs")
        settings["session_url"] = SecretStr(url)
    runtime = FunctionRuntime()
    async with function(runtime, tmp_path, **settings) as facade:
        wrong = await call(facade, {"text": "secret", "maxWords": 3})
        broken = await call(facade, b"{secret")
        assert (wrong.status, broken.status) == (400, 400)
    assert runtime.invoked == []
    async with api(url) as client, asyncio.timeout(LIMIT):
        for answer, detail in (
            (wrong, "violates inputSchema at /maxWords"),
            (broken, "the body is not JSON"),
        ):
            path = f"sessions/{answer.headers['X-Invocation-Id']}"
            session = await get(client, path)
            assert (session["status"], session["tag"]) == ("error", "function")
            events = (await get(client, f"{path}/events"))["items"]
            assert [(event["kind"], event["detail"]) for event in events][1:] == [
                ("input_invalid", detail)
            ]
