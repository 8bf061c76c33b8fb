"""Spans as the bytes of an OTLP request, written by hand: a third of what the library takes.

The numbers of the fields are those of opentelemetry-proto 1.x (`collector/trace/v1`, `trace/v1`,
`common/v1`); the tests read what is written here with the official package.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from struct import Struct

from omnia_core.telemetry.tracing.recording import RecordedSpan
from omnia_core.telemetry.tracing.span import Value

SCOPE = "omnia"

_SAMPLED = 1
_LARGEST = (1 << 63) - 1
_UNSIGNED = (1 << 64) - 1
# Most attributes say the same in every span. What people say is not worth keeping.
_KEPT_BYTES = 128
_KEPT = 512

# Trace id, span id, kind, beginning, end, flags: each after its tag.
_FIXED = Struct("<2s16s2s8sBBBQBQHI")
_DOUBLE = Struct("<d").pack
_MOMENT = Struct("<BQ").pack
_PARENT = b"\x22\x08"
_EVENT = b"\x5a"
_FAILED = b"\x7a\x02\x18\x02"  # status { code: STATUS_CODE_ERROR }
_OF_RESOURCE = b"\x0a"
_OF_SPAN = b"\x4a"

# Attributes that were encoded before; in a cache of the library a lookup costs three times as much.
_known: dict[tuple[str, Value], bytes] = {}


def requests(resource: Mapping[str, Value]) -> Callable[[Sequence[bytes]], bytes]:
    """Return what makes a request of encoded spans; `resource` says who sends them."""
    attributes = (_attribute(_OF_RESOURCE, *each) for each in resource.items())
    who = _field(b"\x0a", b"".join(attributes))
    scope = _field(b"\x0a", _field(b"\x0a", SCOPE.encode()))

    def request(spans: Sequence[bytes]) -> bytes:
        return _field(b"\x0a", who + _field(b"\x12", b"".join((scope, *spans))))

    return request


def encode(span: RecordedSpan) -> bytes:
    """Return a span as a field of the group of spans that a request has."""
    trace_id, span_id, _ = span.context
    fixed = _FIXED.pack(
        b"\x0a\x10",
        trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        span_id.to_bytes(8, "big"),
        0x30,
        span.kind,
        0x39,
        span.began,
        0x41,
        span.ended,
        0x0185,
        _SAMPLED,
    )
    pieces = [fixed, _name(span.name)]
    add = pieces.append
    if span.parent_id:
        add(_PARENT + span.parent_id.to_bytes(8, "big"))
    for item in span.attributes.items():
        add(_known.get(item) or _learned(item))
    for name, at in span.events:
        add(_field(_EVENT, _MOMENT(0x09, at) + _field(b"\x12", _utf8(name))))
    if span.failure:
        add(_FAILED)
    return _field(b"\x12", b"".join(pieces))


@lru_cache(_KEPT)
def _name(name: str) -> bytes:
    return _field(b"\x2a", _utf8(name))


def _learned(item: tuple[str, Value]) -> bytes:
    name, value = item
    if isinstance(value, float):
        return _before_double(name) + _DOUBLE(value)
    if isinstance(value, bool):
        return _attribute(_OF_SPAN, name, value)
    if isinstance(value, int):
        return _number(name, value)
    piece = _attribute(_OF_SPAN, name, value)
    # Texts only: 1, 1.0 and True are equal, and not the same attribute.
    if len(piece) <= _KEPT_BYTES:
        if len(_known) >= _KEPT:
            _known.clear()
        _known[item] = piece
    return piece


@lru_cache(_KEPT)
def _number(name: str, value: int) -> bytes:
    return _attribute(_OF_SPAN, name, value)


@lru_cache(_KEPT)
def _before_double(name: str) -> bytes:
    return _attribute(_OF_SPAN, name, 0.0)[:-8]


def _attribute(tag: bytes, name: str, value: Value) -> bytes:
    return _field(tag, _field(b"\x0a", _utf8(name)) + _field(b"\x12", _any_value(value)))


def _any_value(value: Value) -> bytes:
    if isinstance(value, str):
        return _field(b"\x0a", _utf8(value))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(max(-_LARGEST - 1, min(value, _LARGEST)) & _UNSIGNED)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    return _field(b"\x2a", b"".join(_field(b"\x0a", _any_value(each)) for each in value))


def _utf8(text: str) -> bytes:
    # A lone surrogate, which a model's JSON may hold, is not worth a batch of spans.
    return text.encode(errors="replace")


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < len(_VARINTS):
        return _VARINTS[number]
    return _written(number)


def _written(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_VARINTS = tuple(map(_written, range(2048)))
