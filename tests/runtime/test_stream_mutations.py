"""Whatever a server makes of a good stream, the outcome is the answer or an error with a reason.

Every mutation is one that servers were seen with. The readers run without sockets.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from omnia_core.files.providers import Pricing, ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import (
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
)
from omnia_runtime.providers.answer_size import AnswerSize
from omnia_runtime.providers.claude.stream import MessageStream
from omnia_runtime.providers.gemini.stream import ContentStream
from omnia_runtime.providers.openai.chat_stream import ChatStream
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.sse import SSEParser
from omnia_runtime.providers.vendor_http import VendorHTTP
from omnia_runtime.providers.vendor_stream import AnswerReader, stream_answer
from tests.runtime.servers import USAGE, call_piece, chunk
from tests.runtime.vendors import claude_answer, claude_call, claude_text, gemini_chunk

Json: TypeAlias = Any
ROUNDS = 400
CONFIG = ProviderConfig("p", "openai", "m", pricing=Pricing(0, 0, 0))
HTTP = VendorHTTP(CONFIG, None, "", HTTPClient())
WORDS = ["Grüße", " aus", " dem", " Feld", ". 🌾"]
ARGUMENTS = '{"id": 7, "deep": {"list": [1, "two"]}}'
CALL = ("get", json.loads(ARGUMENTS))


def chat(words: list[str]) -> list[Json]:
    return [
        *(chunk({"content": word}) for word in words),
        chunk(call_piece(0, id="c1", name="get", arguments="")),
        chunk(call_piece(0, arguments=ARGUMENTS[:9])),
        chunk(call_piece(0, arguments=ARGUMENTS[9:])),
        chunk({}, "tool_calls"),
        chunk({}, usage=USAGE),
    ]


def claude(words: list[str]) -> list[Json]:
    call = claude_call("c1", "get", ARGUMENTS[:9], ARGUMENTS[9:])
    return claude_answer(claude_text(*words), call, stop="tool_use")


def gemini(words: list[str]) -> list[Json]:
    call = {"functionCall": {"name": "get", "args": json.loads(ARGUMENTS)}}
    return [
        *(gemini_chunk({"text": word}) for word in words),
        gemini_chunk(call),
        gemini_chunk(finish="STOP"),
    ]


def responses(words: list[str]) -> list[Json]:
    call = {"type": "function_call", "id": "f", "call_id": "c1", "name": "get"}
    parts = [{"type": "output_text", "text": "".join(words)}]
    message = {"type": "message", "id": "m", "content": parts}
    usage = {"input_tokens": 3, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 1}}
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    complete = {**call, "arguments": ARGUMENTS}
    return [
        {"type": "response.created", "response": {"status": "in_progress", "output": []}},
        *({"type": "response.output_text.delta", "delta": word, **at} for word in words),
        {"type": "response.output_text.done", "text": "".join(words), **at},
        {"type": "response.output_item.done", "item": message, "output_index": 0},
        {"type": "response.output_item.done", "item": complete, "output_index": 1},
        {
            "type": "response.completed",
            "response": {"status": "completed", "output": [message, complete], "usage": usage},
        },
    ]


FORMATS: dict[str, tuple[Callable[[list[str]], list[Json]], Callable[[], AnswerReader]]] = {
    "chat": (chat, ChatStream),
    "claude": (claude, MessageStream),
    "gemini": (gemini, ContentStream),
    "responses": (responses, lambda: ResponseStream("m")),
}
ODD: list[Json] = [
    None,
    0,
    -1,
    1.5,
    10**30,
    True,
    "",
    "x",
    "\ud800",
    [],
    [None],
    {},
    {"a": None},
    [[]],
]
NOISE = [
    b": comment\n\n",
    b"data:\n\n",
    b"data: \n\n",
    b"event: ping\ndata: ping\n\n",
    b"data: : waiting\n\n",
    b"id: 3\nretry: 5\n\n",
    b"\n\n\n",
]


class Outcome:
    """What came of a stream: its text, its calls, and its end or its error."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.ends: list[Finished] = []
        self.errors: list[ProviderError] = []

    def add(self, event: ModelEvent) -> None:
        if isinstance(event, TextDelta):
            assert event.text.encode()
            self._pieces.append(event.text)
        elif isinstance(event, ToolCallRequest):
            assert event.id
            assert event.name
            self.calls.append((event.name, event.arguments))
        elif isinstance(event, Finished):
            self.ends.append(event)

    def check(self) -> None:
        assert len(self.ends) + len(self.errors) == 1, "the answer or an error, never both"
        for error in self.errors:
            assert len(error.message) > len('the provider "p" (openai) ')
            assert "failed: " not in error.message, "an exception that nobody expected"
        for end in self.ends:
            assert 0 <= end.usage.input_tokens < 2**31
            assert 0 <= end.usage.output_tokens < 2**31

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def parsed(self) -> list[tuple[str, Any]]:
        return [(name, json.loads(arguments)) for name, arguments in self.calls]


async def play(answer: AnswerReader, packets: list[bytes]) -> Outcome:
    @asynccontextmanager
    async def request(_: AnswerSize) -> AsyncIterator[AsyncGenerator[list[bytes], None]]:
        async def chunks() -> AsyncGenerator[list[bytes], None]:
            parser = SSEParser()
            for packet in packets:
                yield parser.feed(packet)
            yield parser.end()

        yield chunks()

    found = Outcome()
    try:
        async for event in stream_answer(HTTP, prices_of(CONFIG), answer, request):
            assert not found.ends, "nothing follows the end"
            found.add(event)
    except ProviderError as failure:
        found.errors.append(failure)
    found.check()
    return found


def recorded(name: str) -> list[Json]:
    """Return the events of a good stream, which may be changed."""
    events: list[Json] = json.loads(json.dumps(FORMATS[name][0](WORDS)))
    return events


def odd_value(chance: random.Random) -> Json:
    return json.loads(json.dumps(chance.choice(ODD)))


def encoded(events: list[Json]) -> list[bytes]:
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]


def seeded(name: str) -> random.Random:
    return random.Random(name)  # noqa: S311 - no secret


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut bytes into packets anywhere."""
    edges = sorted({chance.randrange(len(data) + 1) for _ in range(chance.randrange(12))})
    return [data[start:end] for start, end in zip([0, *edges], [*edges, len(data)], strict=True)]


def places(value: Json) -> list[tuple[Any, Any]]:
    """Return the container and the key of every member in a value."""
    if isinstance(value, dict):
        own: list[tuple[Any, Any]] = [(value, key) for key in value]
    elif isinstance(value, list):
        own = [(value, index) for index in range(len(value))]
    else:
        return []
    return own + [place for container, key in own for place in places(container[key])]


def run(name: str, packets: list[bytes]) -> Outcome:
    return asyncio.run(play(FORMATS[name][1](), packets))


each_format = pytest.mark.parametrize("name", FORMATS)


@each_format
def test_a_good_stream_is_the_answer_however_it_is_cut(name: str) -> None:
    chance = seeded(name)
    stream = b"".join(encoded(recorded(name)))
    for _ in range(ROUNDS // 8):
        for line_end in (b"\n", b"\r", b"\r\n"):
            found = run(name, cut(b"\xef\xbb\xbf" + stream.replace(b"\n", line_end), chance))
            assert (found.text, found.parsed, found.errors) == ("".join(WORDS), [CALL], [])
            assert found.ends[0].reason == "tool_use"


@each_format
def test_noise_and_what_follows_the_end_cost_nothing(name: str) -> None:
    chance = seeded(name)
    for _ in range(ROUNDS // 4):
        events = encoded(recorded(name))
        for _ in range(chance.randrange(1, 5)):
            events.insert(chance.randrange(len(events) + 1), chance.choice(NOISE))
        after = [
            b"data: [DONE]\n\n",
            b"data: {oops\n\n",
            b'data: {"error": "late"}\n\n',
            b"\xff\n\n",
        ]
        events += chance.sample(after, 2)
        found = run(name, cut(b"".join(events), chance))
        assert (found.text, found.parsed, found.errors) == ("".join(WORDS), [CALL], [])


@each_format
def test_unknown_members_and_null_members_cost_nothing_that_was_said(name: str) -> None:
    """Members are added, or are null, where the format has no such member."""
    chance = seeded(name)
    for _ in range(ROUNDS // 4):
        events = recorded(name)
        for _ in range(5):
            containers = [
                container for container, _ in places(events) if isinstance(container, dict)
            ]
            inside = chance.choice(containers)
            # Arguments of a call are the model's, and have no unknown members.
            if inside.keys().isdisjoint(("id", "deep", "list")):
                inside[f"x{chance.random()}"] = odd_value(chance)
        found = run(name, cut(b"".join(encoded(events)), chance))
        assert (found.text, found.parsed, found.errors) == ("".join(WORDS), [CALL], [])


@each_format
def test_counts_cost_nothing(name: str) -> None:
    for odd in ODD:
        for usage in ("usage", "usageMetadata"):
            events = recorded(name)
            for container, key in places(events):
                if key == usage or (isinstance(key, str) and "token" in key.lower()):
                    container[key] = json.loads(json.dumps(odd))
            found = run(name, encoded(events))
            assert (found.text, found.parsed, found.errors) == ("".join(WORDS), [CALL], [])


def retype(events: list[Json], chance: random.Random) -> None:
    container, key = chance.choice(places(events))
    container[key] = odd_value(chance)


def drop_member(events: list[Json], chance: random.Random) -> None:
    container, key = chance.choice([place for place in places(events) if isinstance(place[1], str)])
    del container[key]


def drop_event(events: list[Json], chance: random.Random) -> None:
    del events[chance.randrange(len(events))]


def repeat_event(events: list[Json], chance: random.Random) -> None:
    at = chance.randrange(len(events))
    events.insert(at, events[at])


def swap_events(events: list[Json], chance: random.Random) -> None:
    first, second = chance.randrange(len(events)), chance.randrange(len(events))
    events[first], events[second] = events[second], events[first]


def wrap_event(events: list[Json], chance: random.Random) -> None:
    at = chance.randrange(len(events))
    events[at] = [events[at]]


def end_early(events: list[Json], chance: random.Random) -> None:
    del events[chance.randrange(1, len(events) + 1) :]


def add_error(events: list[Json], chance: random.Random) -> None:
    shapes: list[Json] = [
        {"error": {"message": "it broke", "code": 502}},
        {"error": "it broke"},
        {"type": "error", "error": {"type": "overloaded_error", "message": "it broke"}},
        {"type": "error", "message": "it broke"},
        {"object": "error", "message": "it broke"},
        {"detail": "it broke"},
    ]
    events.insert(chance.randrange(len(events)), chance.choice(shapes))


MUTATIONS = [
    retype,
    drop_member,
    drop_event,
    repeat_event,
    swap_events,
    wrap_event,
    end_early,
    add_error,
]


def is_said(events: list[Json], word: str) -> bool:
    return word in json.dumps(events, ensure_ascii=False)


def types_of(events: list[Json]) -> list[str]:
    """Return what says of events and of their parts what they are."""
    return sorted(str(inside[key]) for inside, key in places(events) if key == "type")


@each_format
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mutated_stream_is_the_answer_or_an_error_with_a_reason(
    name: str, mutate: Callable[[list[Json], random.Random], None]
) -> None:
    chance = seeded(name + mutate.__name__)
    for _ in range(ROUNDS // 4):
        events, kinds = recorded(name), types_of(recorded(name))
        for _ in range(chance.choice((1, 1, 1, 3))):
            if events:
                mutate(events, chance)
        found = run(name, cut(b"".join(encoded(events)), chance))
        if found.ends:
            pieces = [event for event in events if name != "responses" or "delta" in str(event)]
            # An answer without a word comes only from a stream without one.
            assert found.text or found.calls or not is_said(events, "Feld")
            lost = [word for word in WORDS if is_said(pieces, word) and word not in found.text]
            # What is of an unknown type is not read; nor is what follows the end.
            assert not lost or mutate is swap_events or types_of(events) != kinds
        if mutate is add_error and found.ends:
            assert (found.text, found.parsed) == ("".join(WORDS), [CALL])
        if mutate is wrap_event:
            assert (found.text, found.parsed, found.errors) == ("".join(WORDS), [CALL], [])


@each_format
def test_bytes_that_are_broken_anywhere_end_in_an_answer_or_an_error(name: str) -> None:
    chance = seeded(name)
    stream = b"".join(encoded(recorded(name)))
    for _ in range(ROUNDS // 2):
        broken = bytearray(stream)
        for _ in range(chance.choice((1, 1, 4))):
            at = chance.randrange(len(broken))
            match chance.randrange(3):
                case 0:
                    broken[at] = chance.randrange(256)
                case 1:
                    del broken[at : at + chance.randrange(1, 30)]
                case _:
                    broken[at:at] = broken[at : at + chance.randrange(1, 30)]
        run(name, cut(bytes(broken), chance))
