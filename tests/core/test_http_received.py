"""Heads are bounded before a parser has them, one by one and all together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.http.head import END, MAX_HEAD_BYTES, MAX_HEAD_FIELDS
from omnia_core.http.received import HeadTooLarge, ReceiveBudget, ReceivedBytes


def received(*pieces: bytes, budget: ReceiveBudget | None = None) -> ReceivedBytes:
    got = ReceivedBytes(budget or ReceiveBudget())
    for piece in pieces:
        assert got.add(piece)
        got.head_size()
    return got


@pytest.mark.parametrize("pieces", [[b"GET /\r\n\r\nmore"], [b"GET /\r", b"\n\r", b"\nmore"]])
def test_the_end_of_a_head_is_found_wherever_it_is_split(pieces: list[bytes]) -> None:
    got = received(*pieces)
    assert got.head_size() == 9
    assert (got.take_head(9), got.take(len(got))) == (b"GET /\r\n\r\n", b"more")


def test_a_head_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert received(b"x" * MAX_HEAD_BYTES + END).head_size() == MAX_HEAD_BYTES + len(END)
    for tail in (END, b"yyyy"):
        got = ReceivedBytes(ReceiveBudget())
        got.add(b"x" * (MAX_HEAD_BYTES + 1) + tail)
        with pytest.raises(HeadTooLarge, match="65536 bytes"):
            got.head_size()


def test_the_number_of_headers_is_limited() -> None:
    fields = [b"GET /", *[b"a: b"] * MAX_HEAD_FIELDS]
    assert received(b"\r\n".join(fields) + END).head_size()
    got = ReceivedBytes(ReceiveBudget())
    got.add(b"\r\n".join([*fields, b"a: b"]) + END)
    with pytest.raises(HeadTooLarge, match="more than 100 headers"):
        got.head_size()


def test_an_ordinary_head_has_room_when_large_ones_have_used_up_the_reserve() -> None:
    budget = ReceiveBudget(reserve=1000, allowance=100)
    large = received(b"x" * 1100, budget=budget)
    late = ReceivedBytes(budget)
    assert late.add(b"x" * 100)
    assert not late.add(b"x")
    late.clear()
    large.clear()
    assert ReceivedBytes(budget).add(b"x" * 1100)


def test_a_head_is_accounted_until_its_request_is_admitted() -> None:
    budget = ReceiveBudget(reserve=1000, allowance=0)
    first = received(b"x" * 896 + END, budget=budget)
    first.take_head(900)
    assert not ReceivedBytes(budget).add(b"x" * 101)
    budget = ReceiveBudget(reserve=1000, allowance=0)
    first = received(b"x" * 896 + END, budget=budget)
    first.take_head(900)
    first.admit()
    assert ReceivedBytes(budget).add(b"x" * 1000)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60)), max_size=40))
def test_whatever_happens_the_budget_gets_back_what_it_gave(steps: list[tuple[int, int]]) -> None:
    budget = ReceiveBudget(reserve=150, allowance=10)
    connections = [ReceivedBytes(budget) for _ in range(3)]
    for step, size in steps:
        connection = connections[size % 3]
        if step == 0:
            connection.add(b"x" * size)
        elif step == 1:
            connection.take_head(min(size, len(connection)))
        elif step == 2:
            connection.take(min(size, len(connection)))
        else:
            connection.admit()
    for connection in connections:
        connection.clear()
    whole = ReceivedBytes(budget)
    assert whole.add(b"x" * 160)
    assert not whole.add(b"x")
