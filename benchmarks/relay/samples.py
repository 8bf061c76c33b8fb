"""What rounds found: figures by stack and load, one of each round, and what may be said of them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.relay.measuring import Figures, Load

# From here on the load generator's core is as good as full, and the figures may be its own.
LOAD_FULL = 0.9
# Of the window, on its way to a core that others held: what it offers comes in lumps.
LOAD_WAITED = 0.1
# A stack that falls behind the offered load is not compared.
KEEPS_UP = 0.95

Rounds = list[Figures]
ByLoad = dict[tuple[str, Load], Rounds]
Spread = dict[str, float]


@dataclass
class Samples:
    """What all rounds found, in their order.

    Attributes:
        relay: the stacks of the relay, by name and load.
        idle: KB of an idle connection, by stack.
        model: the pair with a model's server, and what it is compared with.
        calls: function calls.
        footprint: start-up and memory of the shipped pair.
        turns: CPU of a turn of the runtime and of its parts.
    """

    relay: ByLoad = field(default_factory=dict)
    idle: dict[str, list[float]] = field(default_factory=dict)
    model: ByLoad = field(default_factory=dict)
    calls: Rounds = field(default_factory=list)
    footprint: Rounds = field(default_factory=list)
    turns: Rounds = field(default_factory=list)


def spread(values: Sequence[float]) -> Spread:
    """Return median, minimum and maximum."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def spreads(rounds: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of each figure."""
    return {name: spread([each[name] for each in rounds]) for name in rounds[0]} if rounds else {}


def not_comparable(rounds: Sequence[Mapping[str, float]]) -> str:
    """Say why a stack is not compared: it did not deliver its load. Else ""."""
    if not all(each["chunks_per_second"] for each in rounds):
        return "no chunk in a window"
    delivered = statistics.median([each.get("share_of_offered", 1.0) for each in rounds])
    return f"only {delivered:.0%} of the load" if delivered < KEEPS_UP else ""


def remarks(rounds: Sequence[Mapping[str, float]]) -> list[str]:
    """Say what a reader of figures has to know of how they came about."""
    said, each = [], spreads(rounds)
    if each["load_cpu"]["median"] > LOAD_FULL:
        said.append("the load generator is the limit")
    if each["load_waited"]["median"] > LOAD_WAITED:
        said.append(f"the load generator waited {each['load_waited']['median']:.0%} for its core")
    if each["errors"]["max"] or each["lost"]["max"]:
        said.append("errors")
    return said
