"""Chunks that are read by hand are what the library reads."""

from hypothesis import example, given
from hypothesis import strategies as st

from omnia_core.conversation.chunk import chunk_text
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

MESSAGES = st.one_of(
    st.builds(
        lambda content, role: pb.ServerMessage(chunk=pb.Chunk(content=content, role=role)),
        st.text(),
        st.sampled_from(["", "user"]),
    ),
    st.builds(
        lambda content: pb.ServerMessage(done=pb.Done(final_content=content)), st.text(max_size=5)
    ),
    st.builds(
        lambda code: pb.ServerMessage(error=pb.Error(code=code, message="x")), st.text(max_size=5)
    ),
)


@given(MESSAGES)
@example(pb.ServerMessage(chunk=pb.Chunk(content="x" * 127)))
@example(pb.ServerMessage(chunk=pb.Chunk(content="x" * 128)))
@example(pb.ServerMessage(chunk=pb.Chunk(content="ä" * 70_000)))
@example(pb.ServerMessage(chunk=pb.Chunk(content="x" * 3_000_000)))
def test_a_message_is_a_plain_chunk_or_left_to_the_library(message: pb.ServerMessage) -> None:
    text = chunk_text(message.SerializeToString())

    chunk = message.chunk
    plain = message.WhichOneof("message") == "chunk" and not chunk.role and bool(chunk.content)
    if text is not None:
        assert plain
        assert text == chunk.content
    else:
        assert not plain or len(chunk.content.encode()) >= 1 << 21


@given(st.binary(max_size=40))
def test_noise_is_a_chunk_only_where_the_library_says_so(data: bytes) -> None:
    text = chunk_text(data)

    if text is not None:
        assert pb.ServerMessage.FromString(data).chunk.content == text
