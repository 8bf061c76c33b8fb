"""The parser of server-sent events."""

from itertools import pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_runtime.providers import sse
from omnia_runtime.providers.sse import NamedEvent, SSEParser

STREAM = (
    b": comment\r\n\r\ndata: one\r\n\r\n"
    b"event: x\nid: 1\ndata:two\ndata: lines\n\n"
    b"retry: 5\n\ndata: \xc3\xa4\n\ndata\n\ndata: [DONE]\n\n"
)
EVENTS = [b"one", b"two\nlines", "ä".encode(), b"", b"[DONE]"]


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    parser, events = SSEParser(), []
    edges = [0, *sorted(cuts), len(stream)]
    for start, end in pairwise(edges):
        events += parser.feed(stream[start:end])
    return events + parser.end()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
@given(cuts=st.lists(st.integers(0, len(STREAM))))
def test_any_split_of_the_bytes_gives_the_same_events(
    mark: bytes, line_end: bytes, cuts: list[int]
) -> None:
    lines = STREAM.replace(b"\r\n", b"\n").replace(b"\n", line_end)
    assert split(mark + lines, [*cuts]) == EVENTS
    assert split(STREAM, cuts) == EVENTS
    every = range(1, len(lines))
    assert split(mark + lines, [*every]) == EVENTS


def test_heartbeats_are_no_events_and_an_object_beside_the_events_is_one() -> None:
    parser = SSEParser()
    assert parser.feed(b"event: ping\ndata: x\n\nevent:keepalive\ndata\n\n") == []
    assert parser.feed(b'data: a\n{"error":\n  1}\ndata: b\n\n') == [b"a", b'{"error":\n  1}', b"b"]


def test_an_event_that_does_not_say_what_it_is_keeps_its_name() -> None:
    error, typed = SSEParser().feed(b'event: error\ndata: {}\n\nevent: x\ndata: {"type":1}\n\n')
    assert isinstance(error, NamedEvent)
    assert error.name == "error"
    assert type(typed) is bytes


def test_an_event_that_the_peer_did_not_close_is_the_last() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\n\ndata: b") == [b"a"]
    assert parser.end() == [b"b"]


def test_an_event_that_does_not_end_is_an_error() -> None:
    with pytest.raises(sse.EventTooLong):
        SSEParser().feed(b"data: " + b"x" * (sse.MAX_EVENT_BYTES + 1))


@pytest.mark.parametrize("line", [b"data\n", b"data:\n", b"data: \n"])
def test_lines_without_data_have_a_size_too(line: bytes) -> None:
    parser, lines = SSEParser(), line * 100_000
    with pytest.raises(sse.EventTooLong):
        list(map(parser.feed, repeat(lines, sse.MAX_EVENT_BYTES // 300_000)))


LIMITED = [
    b"data: good\n\n",
    b"data: " + b"x" * (sse.MAX_EVENT_BYTES - 6) + b"\n\n",
    b"data: " + b"x" * (sse.MAX_EVENT_BYTES - 5) + b"\n\n",
    b"data: half\n: " + b"x" * sse.MAX_EVENT_BYTES + b"\n\n",
    b"event: " + b"x" * sse.MAX_EVENT_BYTES + b"\n\n",
    b"data: " + b"x" * (sse.MAX_EVENT_BYTES // 2) + b"\n",
]


@given(
    parts=st.lists(st.sampled_from(LIMITED), max_size=3),
    places=st.lists(st.floats(0, 1), max_size=5),
)
def test_any_split_of_long_events_gives_the_same_events_and_the_same_decision(
    parts: list[bytes], places: list[float]
) -> None:
    def read(cuts: list[int]) -> tuple[list[int], bool]:
        parser = SSEParser()
        lengths: list[int] = []
        try:
            for start, end in pairwise([0, *cuts, len(stream)]):
                lengths += map(len, parser.feed(stream[start:end]))
            lengths += map(len, parser.end())
        except sse.EventTooLong:
            return lengths, True
        return lengths, False

    stream = b"".join([LIMITED[0], *parts, LIMITED[0]])
    assert read(sorted(int(place * len(stream)) for place in places)) == read([])
