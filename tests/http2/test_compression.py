"""Header blocks: what others encode is understood, and what is too much costs its call."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import ConnectionFailed, Http2ErrorCode
from omnia_rpc.http2.header_fields import MAX_LIST_BYTES, FieldsRefused, HpackDecoder, encode
from omnia_rpc.http2.header_frames import MAX_BLOCK_BYTES
from tests.http2.ends import REQUEST, RESPONSE, greeted, headers, kinds, pair

NAMES = st.sampled_from([":path", ":status", "content-type", "x-a", "x-b", "grpc-status"])
VALUES = st.one_of(st.sampled_from(["", "200", "/", "POST"]), st.text(max_size=20))
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


@given(st.lists(st.tuples(LISTS, st.booleans(), st.sampled_from([None, 0, 100, 4096])), max_size=8))
def test_what_another_encoder_says_is_understood_block_after_block(
    blocks: list[tuple[list[tuple[str, str]], bool, int | None]],
) -> None:
    encoder, decoder = hpack.Encoder(), HpackDecoder()
    for fields, huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        assert list(decoder.decode(encoder.encode(fields, huffman=huffman))) == fields


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_noise_is_read_or_refused_as_another_decoder_does(blocks: list[bytes]) -> None:
    theirs, ours = hpack.Decoder(), HpackDecoder()
    for block in blocks:
        try:
            expected = [(str(name), str(value)) for name, value in theirs.decode(block)]
        except (hpack.HPACKError, IndexError, ValueError):
            with pytest.raises((ConnectionFailed, FieldsRefused)):
                ours.decode(block)
            return
        assert list(ours.decode(block)) == expected


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        b"\xff\x80\x80\x80\x80\x80\x80\x01",
        b"\x3f\xff\xff\x7f",
        b"\x88\x20",
        b"\x00\x05abc",
        b"\xbe",
        b"\x00\x81\x00\x00",
    ],
    ids=["index 0", "long number", "large table", "late resize", "cut", "empty table", "huffman"],
)
def test_a_broken_block_ends_the_connection(block: bytes) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        HpackDecoder().decode(block)
    assert failed.value.code is Http2ErrorCode.COMPRESSION_ERROR


def test_a_block_that_was_remembered_is_read_anew_where_the_table_decides() -> None:
    encoder, decoder = hpack.Encoder(), HpackDecoder()
    for value in ("1", "2", "1"):
        block = encoder.encode([("x-a", value)])
        assert decoder.decode(block) == (("x-a", value),)
        again = encoder.encode([("x-a", value)])
        assert decoder.decode(again) == (("x-a", value),)


def large(size: int) -> bytes:
    """Return a request that leaves something in the table, of so many bytes."""
    return REQUEST + b"\x40\x03x-a\x01b" + encode([("x-large", "v" * size)])


def test_too_many_fields_cost_their_call_and_the_table_stays_right() -> None:
    server = greeted()
    server.receiver.receive(headers(1))
    server.receiver.receive(headers(3, block=large(MAX_LIST_BYTES)))
    # The index of what the block before has left.
    server.receiver.receive(headers(5, block=REQUEST + b"\xbe"))
    assert server.connection.failed is None
    assert kinds(server.take()) == [(frames.RST_STREAM, 3)]
    assert [dict(call.fields[0]).get("x-a") for call in server.calls] == [None, "b"]


def test_too_many_fields_of_an_answer_cost_its_call() -> None:
    client, server = pair()
    calls = [client.call()[1] for _ in range(2)]
    server.receiver.receive(client.take())
    block = RESPONSE + encode([("x-large", "v" * MAX_LIST_BYTES)])
    client.receiver.receive(headers(1, block=block) + headers(3, block=RESPONSE))
    assert [call.was_reset for call in calls] == [Http2ErrorCode.ENHANCE_YOUR_CALM, None]
    assert len(calls[1].fields) == 1


def test_a_field_that_is_not_text_costs_its_call() -> None:
    server = greeted()
    server.receiver.receive(headers(1, block=REQUEST + b"\x00\x03x-a\x01\xff") + headers(3))
    assert server.connection.failed is None
    assert len(server.calls) == 1


@pytest.mark.parametrize("size", [MAX_BLOCK_BYTES, 1024 * 1024])
def test_a_block_that_is_no_mistake_ends_the_connection(size: int) -> None:
    server = greeted()
    server.receiver.receive(headers(1, block=large(size)))
    assert server.connection.failed
    assert server.connection.failed.code is Http2ErrorCode.ENHANCE_YOUR_CALM


def test_calls_with_too_many_fields_end_the_connection_when_there_are_many() -> None:
    server = greeted()
    for number in range(1, 1001, 2):
        server.receiver.receive(headers(number, block=large(MAX_LIST_BYTES)))
        server.take()
    assert server.connection.failed
    assert not server.calls
