"""Cassettes: recorded answers of a model and results of tools, as JSON lines.

The first line is the header; each other line is one recording. A recording has what was asked, so
that a person can read it and a reader can say what differs, and what was answered. There is no key
in the file: it is computed from what was asked.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject, TooDeep, check_depth

FORMAT: Literal[1] = 1
LARGEST_CASSETTE = 64 * 1024 * 1024
MAX_RECORDINGS = 100_000

_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Amount: TypeAlias = Annotated[float, Meta(ge=0)]


class CassetteHeader(
    Struct, frozen=True, tag_field="kind", tag="cassette", forbid_unknown_fields=True
):
    """The first line.

    Attributes:
        recorded_at: RFC 3339, UTC; prompts that name the time get this one in a replay.
    """

    format: Literal[1]
    recorded_at: Annotated[datetime, Meta(tz=True)]


class RecordedText(Struct, frozen=True, tag="text", forbid_unknown_fields=True):
    """Text of an answer, in the pieces in which it came."""

    pieces: tuple[str, ...]


class RecordedCall(
    Struct, frozen=True, tag="tool_call", forbid_unknown_fields=True, omit_defaults=True
):
    """A tool call that the model requested; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str
    opaque: str = ""


class RecordedMedia(Struct, frozen=True, tag="media", forbid_unknown_fields=True):
    """Media that the model produced."""

    part: Part


class RecordedEnd(Struct, frozen=True, tag="end", forbid_unknown_fields=True, omit_defaults=True):
    """The end of an answer, with its tokens and its cost in US dollars."""

    reason: FinishReason
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    cached_tokens: _Count = 0
    cost_usd: _Amount = 0.0


class RecordedFailure(Struct, frozen=True, tag="failure", forbid_unknown_fields=True):
    """A failure that another attempt would not mend; `status` is that of HTTP, or 0."""

    message: str
    status: int = 0


RecordedEvent: TypeAlias = (
    RecordedText | RecordedCall | RecordedMedia | RecordedEnd | RecordedFailure
)


class RecordedAnswer(
    Struct,
    frozen=True,
    tag_field="kind",
    tag="answer",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """An answer of a model.

    Attributes:
        request: what was asked, as the runtime describes it.
        events: the stream; the last one, and no other, is its end or its failure.
        conversation: in which it was asked; "" outside of `omnia eval`.
        milliseconds: how long it took.
    """

    request: JsonObject
    events: tuple[RecordedEvent, ...]
    conversation: str = ""
    milliseconds: _Amount = 0.0


class RecordedResult(
    Struct,
    frozen=True,
    tag_field="kind",
    tag="result",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """The result of a tool call.

    Attributes:
        failure: why the call failed; "" if it has a result.
        retry: the arguments were at fault, so the model may correct them.
    """

    tool: str
    arguments: JsonObject
    content: str = ""
    is_error: bool = False
    parts: tuple[Part, ...] = ()
    failure: str = ""
    retry: bool = False
    conversation: str = ""
    milliseconds: _Amount = 0.0


class RecordedTool(
    Struct,
    frozen=True,
    tag_field="kind",
    tag="tool",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A tool that was offered to the model; `input_schema` is a JSON Schema."""

    handler: str
    name: str
    description: str
    input_schema: JsonObject
    on_client: bool = False


Recording: TypeAlias = RecordedAnswer | RecordedResult | RecordedTool
_LINE = msgspec.json.Decoder(CassetteHeader | RecordedAnswer | RecordedResult | RecordedTool)


class CassetteFile(Struct, frozen=True):
    """The content of a cassette."""

    header: CassetteHeader
    recordings: tuple[Recording, ...] = ()


def key_of(described: Any) -> str:
    """Return the SHA-256 of a JSON value, in hex; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def read_cassette(content: bytes, what: str) -> CassetteFile:
    """Read a cassette. A last line without its end, as a program that was killed leaves it, is
    left out.

    Raises:
        ConfigurationError: it is none, or too large; the message begins with `what` and the line.
    """
    if len(content) > LARGEST_CASSETTE:
        limit = LARGEST_CASSETTE >> 20
        raise ConfigurationError(f"{what} is larger than {limit} MiB: record fewer conversations")
    lines = content.split(b"\n")
    # What follows the last line break is "" in a whole file.
    found = list(_recordings(lines[:-1], what))
    if not found or not isinstance(found[0], CassetteHeader):
        raise ConfigurationError(
            f'{what} is no cassette: expected the first line {{"kind":"cassette",'
            f'"format":{FORMAT},"recorded_at":"…"}}; record one with omnia eval --record DIR'
        )
    recordings = []
    for number, each in enumerate(found[1:], 2):
        if isinstance(each, CassetteHeader):
            raise ConfigurationError(f"{what}:{number}: a second header; a cassette has one")
        recordings.append(each)
    return CassetteFile(found[0], tuple(recordings))


def _recordings(lines: list[bytes], what: str) -> Iterator[CassetteHeader | Recording]:
    if len(lines) > MAX_RECORDINGS:
        raise ConfigurationError(f"{what} has more than {MAX_RECORDINGS} recordings")
    for number, line in enumerate(lines, 1):
        try:
            check_depth(line)
            read = _LINE.decode(line)
            # Text that no UTF-8 has would fail when it is sent or hashed.
            str(line, "utf-8")
        except TooDeep as error:
            raise ConfigurationError(f"{what}:{number}: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{what}:{number}: this is no recording: {error}") from None
        if isinstance(read, RecordedAnswer) and not _complete(read.events):
            raise ConfigurationError(
                f"{what}:{number}: expected events of which the last one, and no other, is of type"
                ' "end" or "failure"'
            )
        yield read


def _complete(events: tuple[RecordedEvent, ...]) -> bool:
    ends = [isinstance(event, RecordedEnd | RecordedFailure) for event in events]
    return any(ends) and ends.index(True) == len(ends) - 1


def header_line(recorded_at: datetime) -> bytes:
    """Return the first line of a new cassette."""
    return _line(CassetteHeader(FORMAT, recorded_at))


def recording_line(recording: Recording) -> bytes:
    """Return the line of a recording."""
    return _line(recording)


def _line(value: CassetteHeader | Recording) -> bytes:
    # Not by msgspec, which refuses integers of more than 64 bits, as schemas may have them.
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace") + b"\n"
