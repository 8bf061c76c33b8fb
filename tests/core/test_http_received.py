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
    budget = ReceiveBudget(heads=1000, allowance=100)
    large = received(b"x" * 1100, budget=budget)
    late = ReceivedBytes(budget)
    assert late.add(b"x" * 100)
    assert not late.add(b"x")
    late.clear()
    large.clear()
    assert ReceivedBytes(budget).add(b"x" * 1100)


def test_a_request_is_accounted_until_it_is_admitted_and_apart_from_heads() -> None:
    budget = ReceiveBudget(heads=1000, requests=1000, allowance=0)
    request = received(b"x" * 896 + END + b"body", budget=budget)
    request.take_head(900)
    assert ReceivedBytes(budget).add(b"x" * 1000)
    other = ReceivedBytes(budget)
    assert not other.hold(97)
    other.clear()
    request.admit()
    assert request.add(b"x" * 5000)
    assert ReceivedBytes(budget).hold(1000)


def test_what_was_sent_behind_an_admitted_request_is_a_head_when_it_is_answered() -> None:
    budget = ReceiveBudget(heads=1000, requests=0, allowance=100)
    connection = ReceivedBytes(budget)
    assert connection.hold(50)
    connection.admit()
    assert connection.add(b"x" * 2000)
    assert not connection.expect_head()
    connection.clear()
    assert connection.add(b"x" * 1100)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=40))
def test_whatever_happens_the_budget_gets_back_what_it_gave(steps: list[tuple[int, int]]) -> None:
    budget = ReceiveBudget(heads=150, requests=150, allowance=10)
    connections = [ReceivedBytes(budget) for _ in range(3)]
    for step, size in steps:
        connection = connections[size % 3]
        if step == 0:
            connection.add(b"x" * size)
        elif step == 1:
            connection.take_head(min(size, len(connection)))
        elif step == 2:
            connection.take(min(size, len(connection)))
        elif step == 3:
            connection.hold(size)
        elif step == 4:
            connection.expect_head()
        else:
            connection.admit()
    for connection in connections:
        connection.clear()
    for reserve in (budget.heads, budget.requests):
        assert reserve.change(0, 160)
        assert not reserve.change(160, 161)
