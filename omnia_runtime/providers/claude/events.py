"""The events of a Messages stream, as far as they are read.

They are flat, since one type decodes each event at once and new types of events pass.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import msgspec
from msgspec import Struct


class Usage(Struct, gc=False):
    """Token counts so far; None is "as before"."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class Message(Struct, gc=False):
    """The answer at its beginning."""

    usage: Usage | None = None


class Block(Struct, gc=False):
    """A block at its beginning; what it has depends on its type."""

    type: str
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class Delta(Struct, gc=False):
    """More of a block, or of the message; what it has depends on its type."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None


class Error(Struct, gc=False):
    """Why the answer broke off."""

    type: str = ""
    message: str = ""


class Event(Struct, gc=False):
    """An event; the API may add types at any time, which are passed over."""

    type: str
    index: int = 0
    message: Message | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: Usage | None = None
    error: Error | None = None


decode = msgspec.json.Decoder(Event).decode
