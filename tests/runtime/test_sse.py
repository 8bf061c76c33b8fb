"""The parser of server-sent events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_runtime.providers import sse
from omnia_runtime.providers.sse import SSEParser

STREAM = (
    b": comment\r\n\r\ndata: one\r\n\r\n"
    b"event: x\nid: 1\ndata:two\ndata: lines\n\n"
    b"retry: 5\n\ndata: \xc3\xa4\n\ndata\n\ndata: [DONE]\n\n"
)
EVENTS = [b"one", b"two\nlines", "ä".encode(), b"", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM))))
def test_any_split_of_the_bytes_gives_the_same_events(cuts: list[int]) -> None:
    parser, events = SSEParser(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        events += parser.feed(STREAM[start:end])
    assert events == EVENTS


def test_an_event_that_the_peer_did_not_close_is_the_last() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\n\ndata: b") == [b"a"]
    assert parser.end() == [b"b"]


def test_an_event_that_does_not_end_is_an_error() -> None:
    with pytest.raises(sse.EventTooLong):
        SSEParser().feed(b"data: " + b"x" * (sse.MAX_EVENT_BYTES + 1))
