"""The messages between the server and the process of a file: a length, then JSON."""

import struct

from msgspec import Struct, json

from omnia_core.jsonvalue import JsonObject

LARGEST = 10 * 1024 * 1024
"""Bytes of a result."""
LENGTH = struct.Struct("!I")


class OfferedTool(Struct, frozen=True):
    """A tool of the file."""

    name: str
    description: str
    input_schema: JsonObject
    timeout: float


class Hello(Struct, frozen=True):
    """The first message of the process: what the file has.

    Attributes:
        failed: the file could not be run.
    """

    tools: list[OfferedTool]
    problems: list[str]
    failed: bool = False


class CallRequest(Struct, frozen=True):
    """A call; without a tool, the end of the call with this id."""

    id: int
    timeout: float = 0
    tool: str = ""
    arguments: JsonObject = {}


class CallAnswer(Struct, frozen=True):
    """The result of a call, or why there is none, in words for the model.

    Attributes:
        blocked: the function goes on although its time is over.
    """

    id: int
    content: str
    is_error: bool = False
    blocked: bool = False


def packed(message: Struct) -> bytes:
    """Return the bytes of a message."""
    content = json.encode(message)
    return LENGTH.pack(len(content)) + content
