"""Binary frames: read and written as documented, and never anything but a clear refusal."""

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_facade.backend.events import Interruption, MediaChunk, SessionConfig
from omnia_facade.ws.binary import BinaryFrame, BinaryMetadata, FrameType, decode, encode
from omnia_facade.ws.effects import Effect, Send, SendMedia
from omnia_facade.ws.messages import FrameRefused
from omnia_facade.ws.rendering import MAX_PAYLOAD, PIECE, EventRenderer, MediaRenderer
from tests.facade.omni_frames import OmniFrame, pack, unpack

U32 = st.integers(0, 2**32 - 1)
TEXT = st.none() | st.text(max_size=8)
FRAMES = st.builds(
    BinaryFrame,
    type=st.sampled_from(FrameType),
    payload=st.binary(max_size=64),
    sequence=U32,
    is_last=st.booleans(),
    chunked=st.booleans(),
    media_id=st.binary(min_size=12, max_size=12),
    metadata=st.builds(
        BinaryMetadata,
        session_id=TEXT,
        mime_type=TEXT,
        total_chunks=st.none() | U32,
        sample_rate=st.none() | U32,
        upload_id=TEXT,
    ),
)


@given(FRAMES)
def test_what_is_written_is_read_again(frame: BinaryFrame) -> None:
    assert decode(encode(frame)) == frame


@given(FRAMES)
def test_a_frame_is_written_as_others_read_it(frame: BinaryFrame) -> None:
    read = unpack(encode(frame))

    assert (read.kind, read.sequence, read.media_id) == (frame.type, frame.sequence, frame.media_id)
    assert (read.is_last, read.chunked, read.flags & 1) == (frame.is_last, frame.chunked, 0)
    assert read.payload == frame.payload
    assert read.metadata.get("sample_rate") == frame.metadata.sample_rate


@given(st.binary(max_size=80) | FRAMES.map(encode), st.integers(0, 79), st.integers(0, 255))
def test_a_frame_with_any_byte_changed_is_read_or_refused(data: bytes, at: int, byte: int) -> None:
    changed = data[:at] + bytes([byte]) + data[at + 1 :]
    with contextlib.suppress(FrameRefused):
        decode(changed)


def test_a_frame_of_another_author_is_read() -> None:
    frame = decode(pack(b"pcm", 7, last=True, session_id="s", codec="pcm", colour="blue"))

    assert (frame.type, frame.sequence, frame.is_last) == (FrameType.MEDIA_CHUNK, 7, True)
    assert (frame.payload, frame.metadata.session_id, frame.metadata.codec) == (b"pcm", "s", "pcm")
    assert decode(pack(b"")).metadata == BinaryMetadata()


GOOD = pack(b"data", session_id="s")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected a header of 32 bytes, found 0"),
        (GOOD[:31], "found 31 bytes"),
        (b"OMNX" + GOOD[4:], "expected the magic b'OMNI', found b'OMNX'"),
        (GOOD[:4] + b"\x02" + GOOD[5:], "expected version 1, found 2"),
        (pack(b"", flags=1), "compressed payloads are not accepted"),
        (pack(b"", flags=8), "found 0x08"),
        (pack(b"", kind=3), "expected the type 1 (media_chunk) or 2 (upload), found 3"),
        (GOOD + b"x", "of metadata and 4 of payload"),
        (GOOD[:-1], "of metadata and 4 of payload"),
        (GOOD[:8] + struct.pack(">II", 2**32 - 1, 0) + GOOD[16:], "announces 4294967295 bytes"),
        (pack(b"", sample_rate="fast"), "Expected `int | null`, got `str` - at `$.sample_rate`"),
        (
            pack(b"", kind=2).replace(struct.pack(">II", 0, 0), struct.pack(">II", 1, 0)) + b"{",
            "truncated",
        ),
        (
            pack(b"", kind=2).replace(struct.pack(">II", 0, 0), struct.pack(">II", 2, 0)) + b"[]",
            "object",
        ),
    ],
)
def test_what_is_no_frame_is_refused_with_what_was_expected(data: bytes, said: str) -> None:
    with pytest.raises(FrameRefused, match="the binary frame cannot be read") as caught:
        decode(data)
    assert said in caught.value.message


def piece(data: bytes, sequence: int = 0, *, last: bool = False, media: str = "m") -> MediaChunk:
    return MediaChunk(media, sequence, last, "audio/pcm", data)


def binary_of(effects: list[Effect]) -> list[OmniFrame]:
    return [unpack(each.data) for each in effects if isinstance(each, SendMedia) and each.binary]


def test_media_is_json_for_a_client_that_did_not_ask_for_binary_frames() -> None:
    (effect,) = MediaRenderer("s", binary=False).render(piece(b"\x00\xff", 3, last=True))

    assert isinstance(effect, SendMedia)
    shown = json.loads(effect.data)
    assert (shown["type"], shown["session_id"]) == ("media_chunk", "s")
    assert shown["media_chunk"] == {
        "media_id": "m",
        "sequence": 3,
        "is_last": True,
        "data": "AP8=",
        "mime_type": "audio/pcm",
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, PIECE, MAX_PAYLOAD, MAX_PAYLOAD + 1, MAX_PAYLOAD + PIECE])
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_large_media_comes_in_pieces_that_count_on(sizes: list[tuple[int]], binary: bool) -> None:
    frames = MediaRenderer("s", binary=binary)
    sent: list[Effect] = []
    for number, (size,) in enumerate(sizes):
        sent += frames.render(piece(bytes(size), number, last=number == len(sizes) - 1))

    assert sum(each.size for each in sent if isinstance(each, SendMedia)) == sum(
        s for (s,) in sizes
    )
    if binary:
        read = binary_of(sent)
        assert [each.sequence for each in read] == list(range(len(sent)))
        assert [each.is_last for each in read] == [*[False] * (len(sent) - 1), *[True] * bool(sent)]
        assert all(len(each.payload) <= MAX_PAYLOAD for each in read)
        assert all(each.chunked == ("total_chunks" in each.metadata) for each in read)


def test_the_pieces_of_a_large_payload_say_how_many_they_are() -> None:
    read = binary_of(MediaRenderer("s", binary=True).render(piece(bytes(MAX_PAYLOAD + 1))))

    assert {each.metadata["total_chunks"] for each in read} == {17}
    assert {each.chunked for each in read} == {True}
    assert [len(each.payload) for each in read] == [PIECE] * 16 + [1]


@pytest.mark.covers("websocket.md#binary-media-id")
def test_a_media_id_that_does_not_fit_the_header_stands_in_the_metadata() -> None:
    frames = MediaRenderer("s", binary=True)
    short, long, other = (
        binary_of(frames.render(piece(b"x", media=media)))[0]
        for media in ("twelve-bytes", "more than twelve bytes", "more than twelve bytes!")
    )

    assert (short.media_id, "media_id" in short.metadata) == (b"twelve-bytes", False)
    assert long.metadata["media_id"] == "more than twelve bytes"
    assert long.media_id != other.media_id


@pytest.mark.parametrize("binary", [True, False])
def test_interruptions_and_formats_are_text_frames(binary: bool) -> None:
    renderer = EventRenderer(show_tools=True, binary=binary)
    events = (Interruption(), SessionConfig("pcm", 24_000, 1))
    effects = [effect for event in events for effect in renderer.render("s", event)]

    shown = [json.loads(each.data) for each in effects if isinstance(each, Send)]
    assert [each["type"] for each in shown] == ["interrupt", "session_config"]
    assert shown[1]["session_config"] == {"codec": "pcm", "sample_rate": 24_000, "channels": 1}
