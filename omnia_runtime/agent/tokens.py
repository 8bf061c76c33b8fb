"""How many tokens a request has, estimated: a vendor counts exactly, but only afterwards.

The estimate knows no vocabulary. It goes by how densely texts are cut into tokens: words of Latin
letters at about four characters a token, digits and punctuation (code, JSON) at two, and whatever
is beyond ASCII at three bytes of UTF-8, so that a Chinese or Japanese character is one token.
It rather counts too many than too few.
"""

import math
import string
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions import Message
from omnia_runtime.ports.model import OutputSchema, ToolSpec

PER_MESSAGE = 4  # role and separators; also for each call within a message
PER_TOOL = 8
# What vendors ask for an image of ordinary size and detail.
PER_IMAGE = 1024
# Bytes of a file per token: sound and moving pictures are paid by the second, documents by the
# page. A file whose size is not known counts as an image.
_BYTES_PER_TOKEN = {"audio": 500, "video": 800, "document": 40}

_LOOSE = (string.ascii_letters + string.whitespace).encode()
_BEYOND_ASCII = bytes(range(128, 256))

_LEAST_TO_LEARN_FROM = 200  # tokens; below, the rounding is larger than the error
_WEIGHT_OF_NEWEST = 0.5
_FACTORS = (0.5, 2.0)


class Calibration(Struct, frozen=True):
    """How far a model's own counts are from the estimates; one for each model.

    Attributes:
        factor: tokens that the vendor counts for one that is estimated.
    """

    factor: float = 1.0

    def counted(self, estimated: int) -> int:
        """Return what the vendor would count."""
        return math.ceil(estimated * self.factor)

    def estimated(self, counted: int) -> int:
        """Return how large an estimate may be for the vendor to count no more than this."""
        return math.floor(counted / self.factor)

    def learned(self, estimated: int, reported: int) -> "Calibration":
        """Return the calibration after a call whose input tokens the vendor reported."""
        if estimated < _LEAST_TO_LEARN_FROM or reported <= 0:
            return self
        least, most = _FACTORS
        newest = min(max(reported / estimated, least), most)
        return Calibration(self.factor + (newest - self.factor) * _WEIGHT_OF_NEWEST)


def of_text(text: str) -> int:
    """Estimate the tokens of a text. More text never has fewer tokens."""
    raw = text.encode(errors="replace")
    rest = raw.translate(None, _LOOSE)
    dense = len(rest.translate(None, _BEYOND_ASCII))
    loose, beyond = len(raw) - len(rest), len(rest) - dense
    return -(-(3 * loose + 6 * dense + 4 * beyond) // 12)


def of_part(part: Part) -> int:
    """Estimate the tokens of a piece of a message; a text piece stands in `content` too."""
    if part.media is None or part.type == "text":
        return 0
    size = _size(part.media)
    if part.type not in _BYTES_PER_TOKEN or size == 0:
        return PER_IMAGE
    return -(-size // _BYTES_PER_TOKEN[part.type])


def of_message(message: Message) -> int:
    """Estimate the tokens of a message: its text, its media, and the calls that it asks for."""
    text = of_text(message.content)
    if message.parts:
        # some clients put their text into the parts alone
        text = max(text, sum(of_text(part.text) for part in message.parts))
        text += sum(map(of_part, message.parts))
    return PER_MESSAGE + text + sum(map(_of_call, message.tool_calls))


def of_messages(messages: Iterable[Message]) -> int:
    """Estimate the tokens of a conversation."""
    return sum(map(of_message, messages))


def of_tools(tools: Iterable[ToolSpec]) -> int:
    """Estimate the tokens of the tools that a model is offered."""
    return sum(
        PER_TOOL + of_text(tool.name) + of_text(tool.description) + _of_schema(tool.input_schema)
        for tool in tools
    )


def of_output(output: OutputSchema | None) -> int:
    """Estimate the tokens of the shape that an answer must have."""
    return 0 if output is None else PER_TOOL + _of_schema(output.schema)


def _of_call(call: ToolCall) -> int:
    return PER_MESSAGE + of_text(call.name) + of_text(call.arguments) + of_text(call.opaque)


def _of_schema(schema: object) -> int:
    return of_text(msgspec.json.encode(schema).decode())


def _size(media: Media) -> int:
    """Return the bytes of a file that is here as base64, 0 when it is elsewhere."""
    inline = media.data or (media.url if media.url.startswith("data:") else "")
    return len(inline) * 3 // 4
