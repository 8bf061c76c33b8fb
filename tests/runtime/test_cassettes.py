"""Answers of models and results of tools: recorded, replayed, and what is said of a miss."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolFailed, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.errors import ConfigurationError
from omnia_core.files.cassette import RecordedAnswer, key_of
from omnia_core.files.pack import Parameters
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.cassettes.cassette import open_cassette
from omnia_runtime.cassettes.conversation import CONVERSATION, RecordedConversation
from omnia_runtime.cassettes.described import described, difference, nearest
from omnia_runtime.cassettes.model import RecordingModel, ReplayingModel
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import (
    ChatModel,
    ChatRequest,
    Finished,
    MediaProduced,
    ModelEvent,
    OutputSchema,
    ProviderError,
    TextDelta,
    ToolCallRequest,
    ToolSpec,
)
from omnia_runtime.ports.tools import CallContext, ToolRetry
from omnia_runtime.tools.recorded import recording, replaying
from omnia_runtime.tools.routes import ToolRoute
from tests.runtime.servers import ChatServer, chunk, serving
from tests.runtime.test_provider_keys import opened

EVENTS: list[ModelEvent] = [
    TextDelta("Let "),
    TextDelta("me see"),
    ToolCallRequest("c-1", "look_up", '{"id": "A-1"}', "opaque"),
    MediaProduced(Part("image", media=Media("image/png", data="aGk="))),
    Finished("tool_use", Usage(10, 5, 2, 0.25)),
]


class Vendor:
    """Answers with the events of the test, one list after another, and counts its calls."""

    def __init__(self, *answers: Sequence[ModelEvent] | ProviderError) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def stream(self, _request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if isinstance(answer, ProviderError):
            raise answer
        for event in answer:
            yield event


def asked(text: str = "Where is A-1?", **others: Any) -> ChatRequest:
    return ChatRequest("Be kind.", (Message("user", text),), **others)


async def events(model: ChatModel, request: ChatRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


def said(text: str) -> list[ModelEvent]:
    return [TextDelta(text), Finished("stop")]


async def test_an_answer_is_replayed_as_it_was_streamed(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "m.jsonl")
    recorder = RecordingModel(Vendor(EVENTS), "m", open_cassette(path, "record"))
    assert await events(recorder, asked()) == EVENTS
    replayed = ReplayingModel("m", open_cassette(path, "replay"))
    assert await events(replayed, asked()) == EVENTS
    assert await events(replayed, asked()) == EVENTS


async def test_a_failure_is_replayed_unless_another_attempt_might_succeed(tmp_path: Path) -> None:
    path = str(tmp_path / "m.jsonl")
    vendor = Vendor(ProviderError("busy", retryable=True), ProviderError("refused", status=400))
    recorder = RecordingModel(vendor, "m", open_cassette(path, "record"))
    with pytest.raises(ProviderError, match="busy"):
        await events(recorder, asked())
    with pytest.raises(ProviderError, match="has no answer to this request, and no similar"):
        await events(ReplayingModel("m", open_cassette(path, "replay")), asked())
    with pytest.raises(ProviderError, match="refused"):
        await events(recorder, asked())
    with pytest.raises(ProviderError, match="refused") as failed:
        await events(ReplayingModel("m", open_cassette(path, "replay")), asked())
    assert failed.value.status == 400


async def test_a_miss_names_the_nearest_request_and_the_first_difference(tmp_path: Path) -> None:
    path = str(tmp_path / "m.jsonl")
    recorder = RecordingModel(Vendor(EVENTS), "m", open_cassette(path, "record"))
    await events(recorder, asked("Where is A-1?"))
    await events(recorder, asked("Hello"))
    replayed = ReplayingModel("m", open_cassette(path, "replay"))
    longer = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "Bye"))
    with pytest.raises(ProviderError) as missed:
        await events(replayed, ChatRequest("Be kind.", longer))
    assert (
        "m.jsonl has no answer to this request; the nearest one differs at messages[1]: recorded"
        ' nothing, asked {"role": "assistant", "content": "Hi"}' in missed.value.message
    )
    with pytest.raises(ProviderError, match=r'system: recorded "Be kind\.", asked "Be brief\."'):
        await events(replayed, ChatRequest("Be brief.", (Message("user", "Hello"),)))


async def test_auto_asks_once_and_a_new_process_asks_no_more(tmp_path: Path) -> None:
    path, vendor = str(tmp_path / "m.jsonl"), Vendor(said("one"), said("two"))
    for _ in range(2):
        model = RecordingModel(vendor, "m", open_cassette(path, "auto"), first_look=True)
        assert await events(model, asked()) == said("one")
    again = RecordingModel(vendor, "m", open_cassette(path, "record"))
    assert await events(again, asked()) == said("two")
    replayed = ReplayingModel("m", open_cassette(path, "replay"))
    assert await events(replayed, asked()) == said("two")


async def test_each_conversation_has_its_own_answers_in_their_order(tmp_path: Path) -> None:
    path = str(tmp_path / "m.jsonl")
    vendor = Vendor(*(said(str(number)) for number in range(9)))
    recorder = RecordingModel(vendor, "m", open_cassette(path, "record"))
    for name in ("a", "b", "a"):
        CONVERSATION.set(RecordedConversation(name))
        await events(recorder, asked())
    replayed = ReplayingModel("m", open_cassette(path, "replay"))
    for name, answers in (("b", "11"), ("a", "022"), ("new", "02")):
        CONVERSATION.set(RecordedConversation(name))
        for answer in answers:
            assert await events(replayed, asked()) == said(answer)


async def test_a_recording_goes_on_after_a_line_that_a_killed_program_left(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    await events(RecordingModel(Vendor(EVENTS), "m", open_cassette(str(path), "record")), asked())
    with path.open("ab") as file:
        file.write(b'{"kind":"answer","req')
    more = RecordingModel(Vendor(said("more")), "m", open_cassette(str(path), "auto"))
    await events(more, asked("more"))
    replayed = ReplayingModel("m", open_cassette(str(path), "replay"))
    assert await events(replayed, asked("more")) == said("more")
    assert await events(replayed, asked()) == EVENTS


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.jsonl cannot be read: No such file"):
        open_cassette(str(tmp_path / "no.jsonl"), "replay")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"m\.jsonl cannot be written"):
        open_cassette(str(tmp_path / "file" / "m.jsonl"), "record")


def test_ids_times_and_what_no_vendor_gets_do_not_matter() -> None:
    def conversation(call: str, when: str, user: str, nonce: str) -> ChatRequest:
        calls = (ToolCall(call, "look_up", '{"b": 1, "a": 2}', opaque=call),)
        messages = (
            Message("user", f"Data: {nonce}", created_at=when, user_id=user, pack_version=when),
            Message("assistant", tool_calls=calls, finish_reason=when),
            Message("tool", "found", tool_call_id=call),
        )
        return ChatRequest("s", messages, metadata={"user": user}, nonce=nonce)

    one = described("m", conversation("1", "2026", "ann", "f00d"))
    other = described("m", conversation("2", "2027", "bob", "beef"))
    assert one == other
    assert "ann" not in str(one)
    changed = {
        "model": described("n", asked()),
        "tools": described("m", asked(tools=(ToolSpec("t", "d", {}),))),
        "parameters": described("m", asked(parameters=Parameters(temperature=0.0))),
        "output": described("m", asked(output=OutputSchema("o", {}))),
    }
    keys = {key_of(each) for each in (described("m", asked()), *changed.values())}
    assert len(keys) == 5
    assert all(name in each for name, each in changed.items())


def test_media_are_known_by_their_digest_and_addresses_lose_their_signature() -> None:
    data = Part("image", media=Media("image/png", data="c2VjcmV0"))
    link = Part("image", media=Media("image/png", url="https://h/i.png?sig=secret#secret"))
    request = ChatRequest("s", (Message("user", "see", (data, link)),))
    text = str(described("m", request))
    assert "c2VjcmV0" not in text
    assert "secret" not in text
    assert "https://h/i.png" in text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["model", "messages", "x", "content"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values, values)
def test_any_two_values_are_equal_or_differ_somewhere(one: Any, other: Any) -> None:
    assert bool(difference(one, other)) is (key_of(one) != key_of(other))
    assert nearest(one, [other, one]) in (one, other)


class Server:
    """A tool server that answers with what the test says."""

    name = "orders"
    timeout = 1.0

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.calls = 0

    def specs(self) -> list[ToolSpec]:
        return []

    async def call(self, _tool: str, _arguments: JsonObject, _context: CallContext) -> ToolResult:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if isinstance(answer, Exception):
            raise answer
        return ToolResult(answer)


def routes(server: Server) -> dict[str, ToolRoute]:
    spec = ToolSpec("look_up", "Look up.", {"type": "object"})
    return {"look_up": ToolRoute(server, spec, "lookup")}


async def called(made: Any, **arguments: Any) -> str:
    route = made["look_up"]
    result: ToolResult = await route.source.call(route.tool, arguments, CallContext())
    return result.content


async def test_results_of_tools_are_replayed_without_their_server(tmp_path: Path) -> None:
    path = str(tmp_path / "tools.jsonl")
    server = Server("first", "", ToolRetry("wrong id"), ToolFailed("away"))
    made = recording(open_cassette(path, "record"))(routes(server))
    assert await called(made, id="A-1") == "first"
    assert await called(made, id="A-2") == ""
    with pytest.raises(ToolRetry, match="wrong id"):
        await called(made, id="x")
    with pytest.raises(ToolFailed, match="away"):
        await called(made, id="A-3")
    assert server.calls == 4

    replayed = replaying(open_cassette(path, "replay"))({})
    assert replayed["look_up"].spec == routes(server)["look_up"].spec
    assert await called(replayed, id="A-1") == "first"
    assert await called(replayed, id="A-2") == ""
    with pytest.raises(ToolRetry, match="wrong id"):
        await called(replayed, id="x")
    with pytest.raises(ToolFailed, match="away"):
        await called(replayed, id="A-3")
    with pytest.raises(ToolFailed, match=r'differs at id: recorded "A-1", asked "A-9"'):
        await called(replayed, id="A-9")
    assert server.calls == 4


async def test_the_recorded_time_is_that_of_the_calls(tmp_path: Path) -> None:
    path = str(tmp_path / "m.jsonl")
    CONVERSATION.set(recorded := RecordedConversation("a"))
    await events(RecordingModel(Vendor(EVENTS), "m", open_cassette(path, "record")), asked())
    CONVERSATION.set(again := RecordedConversation("a"))
    await events(ReplayingModel("m", open_cassette(path, "replay")), asked())
    assert again.milliseconds == recorded.milliseconds > 0
    assert open_cassette(path, "replay").recorded_at <= datetime.now(UTC)
    assert isinstance(open_cassette(path, "replay").answer(described("m", asked())), RecordedAnswer)


async def test_a_cassette_has_no_key_and_a_replay_needs_neither_key_nor_network(
    tmp_path: Path,
) -> None:
    server, client = ChatServer([chunk({"content": "hi"}), chunk({}, "stop")]), HTTPClient()
    path = tmp_path / "m.jsonl"
    settings = {"headers": {"X-Secret": "hidden-header"}, "authority": None}
    request = ChatRequest("", [Message("user", "hi")], metadata={"token": "hidden-token"})
    async with serving(server) as url:
        made = opened(
            tmp_path,
            client,
            "hidden-key",
            baseURL=f"{url}/v1",
            cassette={"mode": "record", "path": str(path)},
            **settings,
        )
        answer = await events(made.chain(), request)
    assert server.headers[0]["Authorization"] == "Bearer hidden-key"
    assert "hidden" not in path.read_text()
    replayed = opened(
        tmp_path,
        client,
        None,
        type="claude",
        baseURL=f"{url}/v1",
        cassette={"mode": "replay", "path": str(path)},
    )
    assert await events(replayed.chain(), request) == answer
    await client.close()
