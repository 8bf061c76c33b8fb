"""Agents in Python: turns, streams, tools and sessions of the library."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, Field

from omnia_core.sessions import SessionStore
from omnia_runner import (
    Agent,
    ConfigurationError,
    OmniaError,
    OmniAgentInstrumentor,
    ProviderConfig,
    Result,
    Runner,
    SessionManager,
    Tool,
    ToolFailed,
    open_store,
)
from tests.services import LIMIT


class AddNumbers(Tool):
    """Add two whole numbers."""

    class Arguments(BaseModel):
        first: int = Field(description="the first number")
        second: int

    async def __call__(self, arguments: Arguments) -> object:
        return {"sum": arguments.first + arguments.second}


class Answering(Tool):
    """Answer with what the test wants."""

    name = "lookup"

    class Arguments(BaseModel):
        pass

    def __init__(self, answer: Callable[[], Any], timeout: float = LIMIT) -> None:
        self._answer = answer
        self.timeout = timeout

    async def __call__(self, _: Arguments) -> object:
        answer = self._answer()
        return await answer if asyncio.iscoroutine(answer) else answer


CALL = {"type": "tool_calls", "tool_calls": [{"name": "lookup"}]}


@asynccontextmanager
async def agent_with(
    folder: Path, script: dict[str, Any], *tools: Tool, **settings: Any
) -> AsyncIterator[Agent]:
    path = folder / "responses.yaml"
    path.write_text(yaml.safe_dump(script))
    model = ProviderConfig("default", "mock", "m", mock_responses_path=str(path))
    agent = Agent("Shop helper", "You help.", model, tools, **settings)
    try:
        yield agent
    finally:
        await agent.close()


def turns(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    numbered = dict(enumerate(steps, 1))
    return {"scenarios": {"default": {"turns": numbered, **more}}}


async def memory() -> SessionStore:
    return open_store("memory:")


async def read(stream: AsyncGenerator[str, None]) -> list[Any]:
    """Return the events of a stream; its last line is checked here."""
    text = ""
    async with asyncio.timeout(LIMIT):
        async for piece in stream:
            text += piece
    assert text.endswith("data: [DONE]\n\n")
    return [json.loads(line[6:]) for line in text.splitlines() if line and "[DONE]" not in line]


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


def said(events: list[Any]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "text-delta")


async def test_a_turn_is_answered_and_kept_and_the_next_one_goes_on(tmp_path: Path) -> None:
    store = open_store("memory:")
    async with agent_with(tmp_path, {"defaultResponse": "Hello."}) as agent:
        first = await Runner(agent, SessionManager(store, user="u1")).run("one")
        assert (first.text, first.finish_reason, first.error) == ("Hello.", "stop", "")
        again = SessionManager(store, session_id=first.session_id, user="u1")
        second = await Runner(agent, again).run("two")
    assert [message.content for message in second.messages] == ["two", "Hello."]
    found = [message.content for message in await again.messages()]
    assert found == ["one", "Hello.", "two", "Hello."]


async def test_a_tool_is_called_with_checked_arguments(tmp_path: Path) -> None:
    script = turns(
        {
            "type": "tool_calls",
            "tool_calls": [{"name": "add_numbers", "arguments": {"first": 1, "second": "x"}}],
        }
    )
    script["scenarios"]["default"]["matches"] = [
        {
            "when": "tool_result",
            "contains": "do not fit",
            "tool_calls": [{"name": "add_numbers", "arguments": {"first": 20, "second": 22}}],
        },
        {"when": "tool_result", "contains": "42", "content": "It is 42."},
    ]
    async with agent_with(tmp_path, script, AddNumbers()) as agent:
        result = await Runner(agent, SessionManager(open_store("memory:"))).run("add")
    assert result.text == "It is 42."
    answers = [message for message in result.messages if message.role == "tool"]
    assert [answer.is_error for answer in answers] == [True, False]
    assert "second" in answers[0].content
    assert json.loads(answers[1].content) == {"sum": 42}


def broken() -> object:
    raise RuntimeError("secret of the tool")


def refused() -> object:
    raise ToolFailed("there is no such order")


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (refused, "there is no such order"),
        (broken, "failed"),
        (object, "cannot be written as JSON"),
        (lambda: asyncio.sleep(LIMIT), "did not answer within 0.01 s"),
    ],
    ids=["refused", "broken", "no JSON", "slow"],
)
async def test_a_tool_that_fails_costs_itself(
    tmp_path: Path, answer: Callable[[], Any], seen: str
) -> None:
    script = turns(CALL, defaultResponse="Sorry.")
    script["scenarios"]["default"]["matches"] = [{"when": "tool_result", "content": "No."}]
    tool = Answering(answer, 0.01 if seen.startswith("did") else LIMIT)
    async with agent_with(tmp_path, script, tool) as agent:
        result = await Runner(agent, SessionManager(open_store("memory:"))).run("go")
    told = next(message for message in result.messages if message.role == "tool")
    assert told.is_error
    assert seen in told.content
    assert "secret of the tool" not in told.content
    assert result.text == "No."


async def test_the_steps_of_a_turn_are_bounded(tmp_path: Path) -> None:
    script = {
        "matches": [
            {"tool_calls": [{"name": "lookup"}]},
            {"when": "tool_result", "tool_calls": [{"name": "lookup"}]},
        ]
    }
    numbers = itertools.count()
    tool = Answering(lambda: next(numbers))
    async with agent_with(tmp_path, script, tool, max_steps=2) as agent:
        result = await Runner(agent, SessionManager(open_store("memory:"))).run("go")
    assert next(numbers) == 2
    assert result.finish_reason == "error"
    assert "max_rounds: 2" in result.error


async def test_a_stream_shows_text_and_tools_and_finishes(tmp_path: Path) -> None:
    script = turns(CALL)
    script["scenarios"]["default"]["matches"] = [{"when": "tool_result", "content": "It is here."}]
    async with agent_with(tmp_path, script, Answering(lambda: {"place": "here"})) as agent:
        sessions = SessionManager(open_store("memory:"))
        stream, done = await Runner(agent, sessions).run_stream("where?")
        events = await read(stream)
        result = await done
    assert kinds(events) == [
        "start",
        "start-step",
        "tool-input-available",
        "tool-output-available",
        "finish-step",
        "start-step",
        "text-start",
        *["text-delta"] * kinds(events).count("text-delta"),
        "text-end",
        "finish-step",
        "data-session",
        "finish",
    ]
    assert events[0]["messageMetadata"] == {"sessionId": sessions.session_id}
    called, answered = events[2:4]
    assert (called["toolName"], called["input"]) == ("lookup", {})
    assert (answered["toolCallId"], answered["output"]) == (called["toolCallId"], {"place": "here"})
    # A client executes what it believes to be its own.
    assert called["providerExecuted"] is answered["providerExecuted"] is True
    assert said(events) == result.text == "It is here."
    session = events[-2]["data"]
    assert (session["sessionId"], session["finishReason"]) == (sessions.session_id, "stop")
    assert session["messages"][0]["content"] == "where?"
    assert events[-1] == {"type": "finish", "finishReason": "stop"}


def url_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:{folder}/sessions.db"
    server = request.getfixturevalue("redis_url" if kind == "redis" else "postgres")
    return str(server if kind == "redis" else server.url)


@pytest.mark.parametrize("kind", ["redis", "postgres", "sqlite"])
async def test_finish_comes_when_another_connection_can_read_the_turn(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = url_of(kind, request, tmp_path)
    store, other = open_store(url), open_store(url)
    store.start()
    try:
        async with agent_with(tmp_path, {"defaultResponse": "kept"}) as agent:
            sessions = SessionManager(store)
            stream, done = await Runner(agent, sessions).run_stream("keep")
            async with asyncio.timeout(LIMIT):
                async for text in stream:
                    if '"type":"finish"' in text:
                        break
                seen = await SessionManager(other, session_id=sessions.session_id).messages()
            assert [message.content for message in seen] == ["keep", "kept"]
            await stream.aclose()
            await done
    finally:
        await store.close()
        await other.close()


async def test_a_cancelled_turn_keeps_what_was_said(tmp_path: Path) -> None:
    script = {"defaultResponse": "a b c d e f " * 1000, "inter_chunk_ms": 5, "chunk_size": 4}
    async with agent_with(tmp_path, script) as agent:
        sessions = SessionManager(open_store("memory:"))
        runner = Runner(agent, sessions)
        stream, done = await runner.run_stream("talk")
        events: list[str] = []
        async with asyncio.timeout(LIMIT):
            async for text in stream:
                events.append(text)
                if "text-delta" in text and len(events) < 9:
                    assert await Runner(agent, sessions).cancel() is True
            result: Result = await done
        assert await runner.cancel() is False
    assert result.finish_reason == "cancelled"
    assert '"type":"abort"' in "".join(events)
    assert '"type":"finish"' not in "".join(events)
    assert events[-1].endswith("data: [DONE]\n\n")
    *_, partial = await sessions.messages()
    assert (partial.content, partial.finish_reason) == (result.text, "cancelled")
    assert partial.content.startswith("a b")


@pytest.mark.parametrize("kind", ["redis", "postgres", "sqlite"])
async def test_another_program_cancels_a_turn(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = url_of(kind, request, tmp_path)
    store, other = open_store(url), open_store(url)
    script = {"defaultResponse": "a b c " * 10_000, "inter_chunk_ms": 5}
    try:
        async with (
            agent_with(tmp_path, script) as agent,
            agent_with(tmp_path, script) as elsewhere,
            asyncio.timeout(LIMIT),
        ):
            sessions = SessionManager(store, user="u1")
            stream, done = await Runner(agent, sessions).run_stream("talk")
            async for text in stream:
                if "text-delta" in text:
                    break
            foreign = SessionManager(other, session_id=sessions.session_id, user="u2")
            assert await Runner(elsewhere, foreign).cancel() is False
            mine = SessionManager(other, session_id=sessions.session_id, user="u1")
            assert await Runner(elsewhere, mine).cancel() is True
            rest = await read(stream)
            assert (await done).finish_reason == "cancelled"
        assert kinds(rest)[-1] == "abort"
    finally:
        await store.close()
        await other.close()


async def test_a_session_gets_a_name(tmp_path: Path) -> None:
    async with agent_with(tmp_path, {"defaultResponse": "Orders"}, naming=True) as agent:
        sessions = SessionManager(open_store("memory:"))
        runner = Runner(agent, sessions)
        result = await runner.run("Where is order A-1001?")
        async with asyncio.timeout(LIMIT):
            while not result.session_name:
                result = await runner.run("And now?")
    assert result.session_name == "Orders"


async def test_a_task_that_is_cancelled_cancels_its_turn(tmp_path: Path) -> None:
    script = {"defaultResponse": "a b c " * 1000, "inter_chunk_ms": 5}
    async with agent_with(tmp_path, script) as agent:
        sessions = SessionManager(open_store("memory:"))
        task = asyncio.create_task(Runner(agent, sessions).run("talk"))
        async with asyncio.timeout(LIMIT):
            while not await sessions.messages():  # noqa: ASYNC110 - a store has no event
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert (await sessions.messages())[-1].finish_reason == "cancelled"


FAILING = {"defaultResponse": "x", "error": {"status": 400, "message": "no such model"}}


async def test_a_failed_turn_tells_and_keeps_the_fallback_message(tmp_path: Path) -> None:
    async with agent_with(tmp_path, FAILING) as agent:
        sessions = SessionManager(open_store("memory:"))
        stream, done = await Runner(agent, sessions, fallback="Later, please.").run_stream("hi")
        events = await read(stream)
        result = await done
    # What was said before is a text of its own.
    assert kinds(events).count("text-start") == 2
    assert said(events) == "xLater, please."
    assert result.text == "Later, please."
    assert events[-1] == {"type": "finish", "finishReason": "error"}
    assert "no such model" in result.error
    assert "no such model" not in json.dumps(events)
    last = (await sessions.messages())[-1]
    assert (last.content, last.finish_reason) == ("Later, please.", "error")


async def test_without_a_fallback_message_the_error_is_raised_and_ends_the_stream(
    tmp_path: Path,
) -> None:
    async with agent_with(tmp_path, FAILING) as agent:
        store = open_store("memory:")
        with pytest.raises(OmniaError, match="no such model"):
            await Runner(agent, SessionManager(store), fallback=None).run("hi")
        stream, done = await Runner(agent, SessionManager(store), fallback=None).run_stream("hi")
        events = await read(stream)
        with pytest.raises(OmniaError):
            await done
    assert events[-1]["type"] == "error"
    assert "no such model" in events[-1]["errorText"]
    assert "finish" not in kinds(events)


async def test_a_session_of_another_user_is_unknown(tmp_path: Path) -> None:
    store = open_store("memory:")
    async with agent_with(tmp_path, {"defaultResponse": "Hello."}) as agent:
        mine = SessionManager(store, user="u1")
        await Runner(agent, mine).run("mine")
        foreign = SessionManager(store, session_id=mine.session_id, user="u2")
        assert await foreign.messages() == []
        with pytest.raises(OmniaError, match="unknown or has expired"):
            await Runner(agent, foreign).run("yours?")
        stream, _ = await Runner(agent, foreign).run_stream("yours?")
        assert kinds(await read(stream))[-1] == "error"
    assert len(await mine.messages()) == 2


@pytest.mark.parametrize("begun", [True, False], ids=["that left", "that never came"])
async def test_a_turn_runs_to_its_end_without_its_reader(tmp_path: Path, *, begun: bool) -> None:
    # More than waits for a reader.
    script = {"defaultResponse": "word " * 200_000, "chunk_size": 2000}
    async with agent_with(tmp_path, script) as agent:
        sessions = SessionManager(open_store("memory:"))
        stream, done = await Runner(agent, sessions).run_stream("talk")
        if begun:
            await anext(stream)
            await stream.aclose()
        del stream
        async with asyncio.timeout(LIMIT):
            result = await done
    assert len(result.text) == 1_000_000


async def test_a_slow_reader_makes_the_answer_wait(tmp_path: Path) -> None:
    script = {"defaultResponse": "word " * 400_000, "chunk_size": 2000}
    async with agent_with(tmp_path, script) as agent:
        stream, done = await Runner(agent, SessionManager(open_store("memory:"))).run_stream("go")
        first = await anext(stream)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert not done.done()
        rest = [first, *[text async for text in stream]]
        assert said([json.loads(t[6:]) for t in "".join(rest).split("\n\n") if '"text-delta"' in t])
        assert (await done).text == "word " * 400_000


async def test_instructions_are_plain_text(tmp_path: Path) -> None:
    agent = Agent("a", "Say {{name}} and {% if x %} as they are.", "mock:m")
    prompt = agent.turns(open_store("memory:"))._agents.for_session("", "").prompt
    assert prompt.render({}) == "Say {{name}} and {% if x %} as they are."
    await agent.close()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "gpt-4.1-mini",
            'expected TYPE:MODEL with one of the types .*openai.*, found "gpt-4.1-mini"',
        ),
        ("azure:x", "expected TYPE:MODEL"),
        ("openai:", "has no model"),
    ],
)
def test_a_model_that_is_not_one_is_named(model: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Agent("a", "b", model)


def test_tools_that_cannot_be_offered_are_named() -> None:
    class Bare(Tool):
        async def __call__(self, arguments: Any) -> object:
            return arguments

    class Spaced(AddNumbers):
        name = "add numbers"

    with pytest.raises(ConfigurationError, match=r"Bare: expected a class Arguments"):
        Agent("a", "b", "mock:m", [Bare()])
    with pytest.raises(ConfigurationError, match='Spaced: the name "add numbers" is not one'):
        Agent("a", "b", "mock:m", [Spaced()])
    with pytest.raises(ConfigurationError, match='two are named "add_numbers"'):
        Agent("a", "b", "mock:m", [AddNumbers(), AddNumbers()])
    with pytest.raises(ConfigurationError, match="max_steps: expected 1 or more, found 0"):
        Agent("a", "b", "mock:m", max_steps=0)


@pytest.mark.parametrize("url", ["", "mysql://host", "/a/path"])
def test_a_store_of_another_kind_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected memory:"):
        open_store(url)


async def test_spans_are_children_of_the_programs_own(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    OmniAgentInstrumentor().instrument(tracer_provider=provider)
    try:
        async with agent_with(tmp_path, {"defaultResponse": "Hello."}) as agent:
            with provider.get_tracer("program").start_as_current_span("request") as request:
                await Runner(agent, SessionManager(open_store("memory:"))).run("hi")
    finally:
        OmniAgentInstrumentor().uninstrument()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    turn = spans["invoke_agent Shop helper"]
    assert turn.parent is not None
    assert turn.parent.span_id == request.get_span_context().span_id
    assert (turn.attributes or {})["openinference.span.kind"] == "AGENT"
    assert any(name.startswith("chat") for name in spans)
