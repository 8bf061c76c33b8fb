"""The header `traceparent` of W3C Trace Context."""

import random
import re
from typing import NamedTuple

SAMPLED = 1

# Versions above 00 may have more fields; ff is none (W3C Trace Context, sections 3.2 and 4.3).
_HEADER = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_LOWER_HALF = (1 << 64) - 1


class TraceContext(NamedTuple):
    """One span among all traces.

    Attributes:
        trace_id: 128 bits.
        span_id: 64 bits.
        sampled: whether the trace is recorded.
    """

    trace_id: int
    span_id: int
    sampled: bool

    @property
    def header(self) -> str:
        """The value of `traceparent`."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{'01' if self.sampled else '00'}"

    def child(self) -> "TraceContext":
        """Return a new span of the same trace."""
        return TraceContext(self.trace_id, _random(64), self.sampled)


def parse(header: str) -> TraceContext | None:
    """Read a `traceparent`; None when it is malformed, which the standard says to ignore."""
    found = _HEADER.fullmatch(header.strip())
    if found is None or (found[1] == "00" and found[5]):
        return None
    return TraceContext(int(found[2], 16), int(found[3], 16), bool(int(found[4], 16) & SAMPLED))


def new_trace(rate: float) -> TraceContext:
    """Begin a trace; a share of `rate` of all traces is recorded.

    As in the OpenTelemetry SDKs, the lower half of the trace id decides.
    """
    trace_id = _random(128)
    return TraceContext(trace_id, _random(64), (trace_id & _LOWER_HALF) < rate * (1 << 64))


def _random(bits: int) -> int:
    return random.getrandbits(bits) or 1
