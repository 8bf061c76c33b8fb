"""What a turn and a call of a function leave in the trail."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import pytest

from omnia_core.conversation.usage import Usage
from omnia_core.errors import OmniaError
from omnia_core.sessions import AuditTrail, Message, Session, StoreUnavailable
from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.audit import MAX_RECORDS, AuditRecorder, record_event, recording
from omnia_runtime.ports.listener import AgentListener, DiscardingListener
from omnia_runtime.ports.model import ChatModel, ChatRequest, ProviderError, ToolCallRequest
from omnia_runtime.providers.fallback import FallbackModel
from omnia_runtime.providers.retry import RetryingModel, Timing
from omnia_runtime.providers.wrappers import MeteredModel
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.invocation import MAX_PENDING_RECORDS, InvocationRecords, Invocations
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn
from tests.runtime.scripted import Mounted, ScriptedModel, asks, http_tool, metrics, pack, says
from tests.services import free_port

CALLS = {"tool_calls": [{"name": "lookup", "arguments": {"id": 7}}]}


class KeepingStore(MemorySessionStore):
    """Keeps trails; refuses appends while `away`, and holds them until `let_go`."""

    keeps_audit = True

    def __init__(self) -> None:
        super().__init__(Duration.parse("1h"))
        self.trails: list[AuditTrail] = []
        self.loads = 0
        self.away = False
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def load(self, session_id: str) -> Session | None:
        self.loads += 1
        return await super().load(session_id)

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        await self.let_go.wait()
        if self.away:
            raise StoreUnavailable("gone")
        assert audit
        self.trails.append(audit)
        return await super().append(session_id, messages, expected_length=expected_length)


class Bed:
    """Turns and calls in this process."""

    def __init__(self, mounted: Mounted, **environment: str) -> None:
        self.store, self.metrics = KeepingStore(), metrics()
        self.client = client = HTTPClient()
        env = mounted.env(**environment)
        self.live = LiveConfiguration(
            Loader(env, client, ToolSources(client, lambda: None), self.metrics)
        )
        tracing = RuntimeTracing()
        media = MediaLoader(mounted.folder)
        self.conversations = SessionTurns(self.live, self.store, media, self.metrics, tracing)
        records = InvocationRecords(self.store, self.metrics)
        self.invocations = Invocations(self.live, records, self.metrics, tracing)

    async def close(self) -> None:
        """Let go of connections."""
        await self.client.close()

    async def ask(self, text: str = "hi", listener: AgentListener | None = None) -> None:
        """Run a turn of session s."""
        turn = UserTurn("s", text, (), {}, [])
        await self.conversations.run(turn, listener or DiscardingListener(), Caller())

    async def call(self, invocation_id: str = "i1", text: str = '{"text": "x"}') -> str:
        """Call the function."""
        return (await self.invocations.run(invocation_id, text, {}, {})).output

    async def stored(self, invocation_id: str) -> Session:
        """Return the record of a call, once nothing is being stored any more."""
        await self.invocations.close()
        session = await self.store.load(invocation_id)
        assert session
        return session


Made = Callable[..., Bed]


@pytest.fixture
async def made(mounted: Mounted) -> AsyncIterator[Made]:
    """Make beds on the mounted files."""
    beds: list[Bed] = []

    def make(**environment: str) -> Bed:
        beds.append(Bed(mounted, **environment))
        return beds[-1]

    yield make
    for bed in beds:
        await bed.close()


class Stalled(DiscardingListener):
    """Takes one piece, and never has room for another."""

    def __init__(self) -> None:
        self.speaking = asyncio.Event()

    def send_text(self, text: str) -> bool:  # noqa: ARG002 - the protocol's
        return False

    async def drain(self) -> None:
        self.speaking.set()
        await asyncio.Event().wait()


def kinds(trail: AuditTrail) -> list[str]:
    return [str(each.kind) for each in trail.events]


async def test_a_turn_leaves_its_calls_of_models_and_tools(mounted: Mounted, made: Made) -> None:
    mounted.write_responses({"scenarios": {"default": {"turns": {1: CALLS, 2: "done"}}}})
    mounted.write_tools(http_tool(f"http://127.0.0.1:{free_port()}/"))
    bed = made()
    await bed.ask()

    # one round trip to read, two to write, as without a trail
    assert bed.store.loads == 1
    began, ended = bed.store.trails
    assert (began.status, began.turns, began.turn_ms, kinds(began)) == (
        "active",
        1,
        None,
        ["turn_began"],
    )
    assert (ended.status, ended.turns, kinds(ended)) == ("completed", 0, ["turn_ended"])
    assert ended.turn_ms is not None
    (tool,) = ended.tool_calls
    assert (tool.name, tool.handler, tool.status) == ("lookup", "lookup-handler", "error")
    assert tool.arguments == '{"id":7}'
    assert {(each.provider, each.model, each.status) for each in ended.provider_calls} == {
        ("default", "m", "success")
    }
    assert len(ended.provider_calls) >= 2
    assert sum(each.duration_ms for each in ended.provider_calls) <= ended.turn_ms


async def test_a_cancelled_turn_says_so(mounted: Mounted, made: Made) -> None:
    bed, stalled = made(), Stalled()
    turn = asyncio.create_task(bed.ask(listener=stalled))
    async with asyncio.timeout(10):
        await stalled.speaking.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    ended = bed.store.trails[-1]
    assert (ended.status, kinds(ended)) == ("cancelled", ["turn_cancelled"])
    assert [each.status for each in ended.provider_calls] == ["cancelled"]


async def test_what_holds_a_turn_is_an_event(mounted: Mounted, made: Made) -> None:
    words = {"words": ["bomb"], "direction": "input"}
    rules = [
        {"type": "banned_words", "params": words},
        {"type": "banned_words", "params": {"words": ["friend"]}},
    ]
    mounted.write_pack(pack(validators=rules))
    bed = made()
    await bed.ask("a bomb")
    assert kinds(bed.store.trails[-1]) == ["input_blocked", "turn_ended"]
    await bed.ask("hello")
    assert kinds(bed.store.trails[-1]) == ["output_blocked", "turn_ended"]
    assert [each.detail for each in bed.store.trails[-1].events] == ["banned_words", "safety"]


async def test_a_turn_that_begins_where_another_died_says_so(mounted: Mounted, made: Made) -> None:
    bed = made()
    await bed.ask()
    said = Message("assistant", "par", finish_reason="interrupted")
    await bed.store.checkpoint("s", [said], expected_length=2)
    await bed.ask()
    assert kinds(bed.store.trails[-2]) == ["turn_interrupted", "turn_began"]


def failed(status: int) -> ChatModel:
    return ScriptedModel(*[[ProviderError("no", retryable=True, status=status)]] * 3)


def shipped(model: ChatModel, name: str) -> ChatModel:
    async def at_once(_: float) -> None: ...

    metered = MeteredModel(model, name, "m", metrics())
    return RetryingModel(metered, name, timing=Timing(sleep=at_once))


async def test_retries_and_the_one_who_steps_in_are_told() -> None:
    model = FallbackModel(
        [
            ("default", shipped(failed(429), "default")),
            ("fallback", shipped(ScriptedModel(says("a")), "fallback")),
        ]
    )
    with recording(AuditRecorder()) as recorder:
        async with aclosing(model.stream(ChatRequest("", [Message("user", "hi")]))) as events:
            async for _ in events:
                pass
    assert recorder
    trail = recorder.take()
    assert [(each.provider, each.attempt, each.fault) for each in trail.provider_calls] == [
        ("default", 1, "rate_limited"),
        ("default", 2, "rate_limited"),
        ("default", 3, "rate_limited"),
        ("fallback", 1, ""),
    ]
    assert trail.provider_calls[-1].cost_usd == 0.5
    assert [(str(each.kind), each.detail) for each in trail.events] == [
        ("provider_retried", "default: rate_limited"),
        ("provider_retried", "default: rate_limited"),
        ("provider_fallback", "default to fallback"),
    ]


async def test_the_first_word_of_an_answer_is_recorded_and_a_call_of_a_tool_is_none() -> None:
    speaks = [ToolCallRequest("t1", "look", "{}"), *says("a", "b")]
    with recording(AuditRecorder()) as recorder:
        for model in (ScriptedModel(speaks), ScriptedModel(asks("look"))):
            metered = MeteredModel(model, "p", "m", metrics())
            async with aclosing(metered.stream(ChatRequest("", []))) as events:
                async for _ in events:
                    pass
    assert recorder
    spoken, silent = recorder.take().provider_calls
    assert spoken.first_word_ms is not None
    assert 0 <= spoken.first_word_ms <= spoken.duration_ms
    assert silent.first_word_ms is None


def test_what_is_done_beside_the_turns_is_no_attempt_at_an_answer() -> None:
    recorder = AuditRecorder(beside_turns=True)
    recorder.retried("p", 2, ProviderError("busy", retryable=True, status=429))
    recorder.provider_called("p", "m", "success", 0.1, Usage(), None)
    assert [each.attempt for each in recorder.take().provider_calls] == [0]


def test_a_turn_leaves_a_bounded_number_of_records() -> None:
    with recording(AuditRecorder()) as recorder:
        for _ in range(MAX_RECORDS + 7):
            record_event(EventKind.LIMIT_REACHED)
    assert recorder
    trail = recorder.end_turn("completed", EventKind.TURN_ENDED, "stop")
    assert len(trail.events) == MAX_RECORDS + 2
    assert (trail.events[-2].kind, trail.events[-2].detail) == (EventKind.RECORDS_DROPPED, "7")


def test_outside_of_a_turn_nothing_is_noted() -> None:
    record_event(EventKind.LIMIT_REACHED)
    recorder = AuditRecorder()
    recorder.provider_called("p", "m", "success", 0.1, Usage(), None)
    assert len(recorder.take().provider_calls) == 1
    assert recorder.take() == AuditTrail()


@pytest.fixture
def function(mounted: Mounted) -> Mounted:
    mounted.write_function({"type": "object"}, {"type": "object", "required": ["n"]})
    mounted.write_responses({"defaultResponse": '{"n": 1}'})
    return mounted


async def test_a_call_is_a_session_of_its_own(function: Mounted, made: Made) -> None:
    bed = made(OMNIA_MODE="function")
    assert await bed.call() == '{"n": 1}'
    session = await bed.stored("i1")
    assert [(each.role, each.content) for each in session.messages] == [
        ("user", '{"text": "x"}'),
        ("assistant", '{"n": 1}'),
    ]
    assert session.pack_version == "1.0.0"
    (trail,) = bed.store.trails
    assert (trail.tag, trail.status, trail.turns, kinds(trail)) == (
        "function",
        "completed",
        1,
        ["turn_began", "turn_ended"],
    )


async def test_an_answer_without_the_shape_is_recorded_as_that(
    function: Mounted, made: Made
) -> None:
    function.write_responses({"defaultResponse": "no JSON"})
    bed = made(OMNIA_MODE="function")
    assert await bed.call() == "no JSON"
    session = await bed.stored("i1")
    assert [each.role for each in session.messages] == ["user", "assistant", "user", "assistant"]
    (trail,) = bed.store.trails
    assert (trail.status, kinds(trail)) == ("error", ["turn_began", "output_invalid"])
    assert len(trail.provider_calls) == 2


async def test_an_input_that_fails_is_recorded_with_its_reason(
    function: Mounted, made: Made
) -> None:
    rule = {"type": "banned_words", "params": {"words": ["bomb"], "direction": "input"}}
    variables = [{"name": "text", "type": "string", "required": True}]
    function.write_pack(pack("Of {{text}}.", validators=[rule], variables=variables))
    bed = made(OMNIA_MODE="function")
    with pytest.raises(OmniaError):
        await bed.call("i1", '{"text": "bomb"}')
    await bed.stored("i1")
    assert kinds(bed.store.trails[-1]) == ["turn_began", "input_blocked", "runtime_error"]
    with pytest.raises(OmniaError):
        await bed.call("i2", "{}")
    await bed.stored("i2")
    assert kinds(bed.store.trails[-1]) == ["turn_began", "input_invalid"]


async def test_no_call_fails_or_waits_because_of_its_record(function: Mounted, made: Made) -> None:
    bed = made(OMNIA_MODE="function")
    bed.store.away = True
    assert await bed.call() == '{"n": 1}'
    await bed.invocations.close()
    assert bed.store.trails == []

    bed.store.away = False
    bed.store.let_go.clear()
    for number in range(MAX_PENDING_RECORDS + 3):
        await bed.call(f"{number}")
    bed.store.let_go.set()
    await bed.invocations.close()
    assert len(bed.store.trails) == MAX_PENDING_RECORDS
