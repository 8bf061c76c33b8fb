"""Estimates the tokens of a request. Vendors count exactly, but only after the call.

The estimate uses no vocabulary, only typical densities: four characters a token for words of Latin
letters, two for digits and punctuation (code, JSON), and three bytes of UTF-8 for everything
outside ASCII, so a Chinese or Japanese character is one token. It errs on the high side.
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
# The price of an image of ordinary size and detail.
PER_IMAGE = 1024
# Bytes of a file per token. Vendors charge audio and video by the second, documents by the page.
# A file of unknown size counts as an image.
_BYTES_PER_TOKEN = {"audio": 500, "video": 800, "document": 40}

_LOOSE = (string.ascii_letters + string.whitespace).encode()
_BEYOND_ASCII = bytes(range(128, 256))

_MIN_TO_CALIBRATE = 200  # tokens; below, the rounding is larger than the error
_NEWEST_WEIGHT = 0.5
_FACTOR_RANGE = (0.5, 2.0)


class Calibration(Struct, frozen=True):
    """The ratio between a model's own token counts and the estimates; one for each model.

    Attributes:
        factor: tokens that the vendor counts for one estimated token.
    """

    factor: float = 1.0

    def to_count(self, estimate: int) -> int:
        """Return the vendor's count for an estimate."""
        return math.ceil(estimate * self.factor)

    def to_estimate(self, count: int) -> int:
        """Return the largest estimate for which the vendor counts at most `count`."""
        return math.floor(count / self.factor)

    def updated(self, estimate: int, reported: int) -> "Calibration":
        """Return the calibration after a call whose input tokens the vendor reported."""
        if estimate < _MIN_TO_CALIBRATE or reported <= 0:
            return self
        lowest, highest = _FACTOR_RANGE
        newest = min(max(reported / estimate, lowest), highest)
        return Calibration(self.factor + (newest - self.factor) * _NEWEST_WEIGHT)


def estimate_text(text: str) -> int:
    """Estimate the tokens of a text. A longer text never has fewer tokens."""
    raw = text.encode(errors="replace")
    rest = raw.translate(None, _LOOSE)
    dense = len(rest.translate(None, _BEYOND_ASCII))
    loose, beyond_ascii = len(raw) - len(rest), len(rest) - dense
    return -(-(3 * loose + 6 * dense + 4 * beyond_ascii) // 12)


def estimate_part(part: Part) -> int:
    """Estimate the tokens of a media part; 0 for text, which is also in the message's content."""
    if part.media is None or part.type == "text":
        return 0
    size = _inline_size(part.media)
    if part.type not in _BYTES_PER_TOKEN or size == 0:
        return PER_IMAGE
    return -(-size // _BYTES_PER_TOKEN[part.type])


def estimate_message(message: Message) -> int:
    """Estimate the tokens of a message: its text, its media and its tool calls."""
    text = estimate_text(message.content)
    if message.parts:
        # Some clients send their text in the parts only.
        text = max(text, sum(estimate_text(part.text) for part in message.parts))
        text += sum(map(estimate_part, message.parts))
    return PER_MESSAGE + text + sum(map(_estimate_call, message.tool_calls))


def estimate_messages(messages: Iterable[Message]) -> int:
    """Estimate the tokens of a conversation."""
    return sum(map(estimate_message, messages))


def estimate_tools(tools: Iterable[ToolSpec]) -> int:
    """Estimate the tokens of tool definitions."""
    return sum(
        PER_TOOL
        + estimate_text(tool.name)
        + estimate_text(tool.description)
        + _estimate_schema(tool.input_schema)
        for tool in tools
    )


def estimate_output(output: OutputSchema | None) -> int:
    """Estimate the tokens of an output schema."""
    return 0 if output is None else PER_TOOL + _estimate_schema(output.schema)


def _estimate_call(call: ToolCall) -> int:
    return (
        PER_MESSAGE
        + estimate_text(call.name)
        + estimate_text(call.arguments)
        + estimate_text(call.opaque)
    )


def _estimate_schema(schema: object) -> int:
    return estimate_text(msgspec.json.encode(schema).decode())


def _inline_size(media: Media) -> int:
    """Return the size in bytes of base64 media; 0 if the message only refers to the media."""
    inline = media.data or (media.url if media.url.startswith("data:") else "")
    return len(inline) * 3 // 4
