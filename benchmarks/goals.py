"""What is aimed for, and how a run compares with it: pure values of what the rounds found."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.relay.measuring import Figures, Load
from benchmarks.relay.samples import (
    ByLoad,
    Rounds,
    Samples,
    Spread,
    not_comparable,
    remarks,
    spread,
)

OURS, LEAN, GZIP, FLOOR = "omnia", "go-lean", "go-omnia-shape-gzip", "c-floor"
ONE, BURST = Load("burst", 1), Load("burst", 100)
PACED = (Load("paced", 200, 20_000), Load("paced", 1000, 100_000))
ACTIVE = PACED[1]
FUNCTION_CHUNKS = 16
PROVIDER_RATIO = 1.6


@dataclass(frozen=True)
class Goal:
    """What is aimed for, and what was measured.

    Attributes:
        unit: of the target; "x" is a ratio.
        measured: one value of each round.
        at_least: whether more is better.
        why_not: why nothing is compared, "" when it is.
        remark: what a reader has to know of the figures.
    """

    name: str
    target: float
    unit: str
    measured: tuple[float, ...] = ()
    at_least: bool = False
    why_not: str = ""
    remark: str = ""

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.measured)

    @property
    def spread(self) -> Spread | None:
        """Median, minimum and maximum; None where nothing is compared."""
        return spread(self.measured) if self.measured else None

    @property
    def missed_by(self) -> float:
        """The part of the target that is missing, or that is too much; 0 or less when it is met."""
        gap = self.median / self.target - 1
        return -gap if self.at_least else gap

    @property
    def verdict(self) -> str:
        """Whether the median meets the target."""
        if not self.measured:
            return self.why_not or "not measured"
        missed = self.missed_by
        return "met" if missed <= 0 else f"missed by {missed:{'.0%' if missed > 0.1 else '.1%'}}"  # noqa: PLR2004 - decimals


_Of = Callable[[Figures], float]


def _cpu(figures: Figures) -> float:
    return figures["cpu_us_per_chunk"]


def _per_core(figures: Figures) -> float:
    return 1e6 / figures["cpu_us_per_chunk"]


def _facade(figures: Figures) -> float:
    return figures["facade_us_per_chunk"]


def _first(figures: Figures) -> float:
    return figures["first_chunk_p50_us"]


def _active(figures: Figures) -> float:
    return figures["active_kb"]


@dataclass(frozen=True)
class _Comparison:
    """A figure of ours as a ratio of a yardstick's figure."""

    name: str
    target: float
    load: Load
    base: str
    figure: _Of
    of_base: _Of
    at_least: bool = False

    def judged(self, relay: ByLoad) -> Goal:
        goal = Goal(f"{self.name}, of {self.base}", self.target, "x", at_least=self.at_least)
        rounds = {stack: relay.get((stack, self.load), []) for stack in (OURS, self.base)}
        if not all(rounds.values()):
            return goal
        for stack, each in rounds.items():
            if late := not_comparable(each):
                return replace(goal, why_not=f"not compared: {stack}, {late}")
        # a run that was cut has more rounds of one than of the other
        pairs = zip(*rounds.values(), strict=False)
        measured = [self.figure(ours) / self.of_base(theirs) for ours, theirs in pairs]
        said = [f"{stack}: {text}" for stack, each in rounds.items() for text in remarks(each)]
        return replace(goal, measured=tuple(measured), remark="; ".join(said))


def goal_lines(judged: Sequence[Goal]) -> Iterator[str]:
    """Return the table of the goals."""
    yield f"\n{'goal':66}{'target':>10}{'measured':>26}{'':2}verdict"
    for goal in judged:
        found = goal.spread
        measured = (
            f"{found['median']:.2f} ({found['min']:.2f}..{found['max']:.2f})" if found else ""
        )
        remark = f"; {goal.remark}" if goal.remark else ""
        target = f"{'≥' if goal.at_least else '≤'} {goal.target:g} {goal.unit}"
        yield f"{goal.name:66}{target:>10}{measured:>26}{'':2}{goal.verdict}{remark}"
    yield "the operator: `make bench-operator`, on a cluster"


def goals(found: Samples) -> list[Goal]:
    """Judge a run."""
    relay = (each.judged(found.relay) for each in _comparisons())
    return [*relay, *_memory(found), *_others(found)]


def _comparisons() -> Iterator[_Comparison]:
    name = "burst, 100: chunks a second and core"
    yield _Comparison(name, 1.5, BURST, LEAN, _per_core, _per_core, at_least=True)
    yield _Comparison(name, 5.0, BURST, GZIP, _per_core, _per_core, at_least=True)
    for load in PACED:
        name = f"{_brief(load)}: CPU of a chunk"
        yield _Comparison(name, 1.0, load, LEAN, _cpu, _cpu)
        yield _Comparison(name, 0.65, load, GZIP, _cpu, _cpu)
    for load in PACED:
        yield _Comparison(f"{_brief(load)}: CPU of the facade", 1.8, load, FLOOR, _facade, _cpu)
    yield _Comparison("first chunk, one conversation, p50", 1.0, ONE, LEAN, _first, _first)
    yield _Comparison("memory of an active conversation", 0.35, ACTIVE, LEAN, _active, _active)


def _brief(load: Load) -> str:
    return f"{load.kind}, {load.conversations} at {load.pause_us // 1000} ms"


def _memory(found: Samples) -> Iterator[Goal]:
    name = f"memory of an idle connection, of {LEAN}"
    pairs = zip(found.idle.get(OURS, []), found.idle.get(LEAN, []), strict=False)
    yield Goal(name, 0.6, "x", tuple(ours / lean for ours, lean in pairs))
    for part, limit in (("pair", 100.0), ("facade", 45.0), ("runtime", 55.0)):
        yield _figure(f"memory of the idle {part}", limit, "MB", found.footprint, f"{part}_mb")


def _others(found: Samples) -> Iterator[Goal]:
    lean = found.relay.get((LEAN, BURST), [])
    called = tuple(
        call["cpu_us_per_call"] / chunk["cpu_us_per_chunk"]
        for call, chunk in zip(found.calls, lean, strict=False)
    )
    name = f"CPU of a function call, in chunks of {LEAN} (burst, 100)"
    remark = "; ".join(remarks(found.calls)) if found.calls else ""
    yield Goal(name, FUNCTION_CHUNKS, "x", called, remark=remark)
    for way in ("turn of the runtime", "adapter as in a turn"):
        name = f"{way}, 10 chunks, of aiohttp with an SSE parser"
        yield _figure(name, PROVIDER_RATIO, "x", found.turns, way)
    for part in ("facade", "runtime"):
        yield _figure(f"exec to ready, {part}", 0.5, "s", found.footprint, f"{part}_ready_seconds")


def _figure(name: str, target: float, unit: str, rounds: Rounds, key: str) -> Goal:
    return Goal(name, target, unit, tuple(each[key] for each in rounds if key in each))
