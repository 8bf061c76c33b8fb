"""The message that is written and read by hand is the library's."""

import pytest

from omnia_core.conversation.chunk import chunk_message, chunk_text
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

TEXTS = [
    "a",
    "\u00e9\u4e16\U0001f600 and\n\0",
    *("x" * n for n in (122, 123, 124, 125, 126, 127, 128, 16_378, 16_380, 16_384, 3_000_000)),
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(len(text)))
def test_a_chunk_is_written_as_the_library_writes_it_and_read_back(text: str) -> None:
    message = chunk_message(text)

    assert message == pb.ServerMessage(chunk=pb.Chunk(content=text)).SerializeToString()
    assert pb.ServerMessage.FromString(message).chunk.content == text
    # Longer ones are left to the library.
    assert chunk_text(message) == (text if len(message) < 1 << 21 else None)
