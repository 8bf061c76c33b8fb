"""The tables of the relay, and the rows for the record."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.relay.measuring import CHUNKS
from benchmarks.relay.samples import (
    ByLoad,
    Rounds,
    Samples,
    not_comparable,
    remarks,
    spread,
    spreads,
)

BASE = "go-lean"


def relay_lines(samples: Samples) -> Iterator[str]:
    """Return the tables of what `relay_round` found."""
    yield (
        "CPU of facade and runtime by their own accounting, one core for both; medians (min..max)"
    )
    yield from _tables(samples.relay)
    if samples.idle:
        yield f"\n{'idle connections':32}{'KB each':>24}"
        for name, values in samples.idle.items():
            yield f"{name:32}{_shown(values, 1):>24}"


def more_lines(samples: Samples) -> Iterator[str]:
    """Return the tables of a model's server and of function calls."""
    if samples.model:
        yield "\nWith a model's server (omnia-openai): the OpenAI adapter against a local server"
        yield from _tables(samples.model)
    if samples.calls:
        each = spreads(samples.calls)
        heads = f"{'µs/call':>24}{'facade':>8}{'calls/s':>10}{'p50':>8}{'p99':>8}"
        yield f"\n{'function calls':14}{heads}"
        costs = [one["cpu_us_per_call"] for one in samples.calls]
        medians = [
            each[name]["median"]
            for name in ("facade_us_per_call", "calls_per_second", "call_p50_us", "call_p99_us")
        ]
        facade, pace, half, most = medians
        notes = "; ".join(remarks(samples.calls))
        yield (
            f"{'omnia':14}{_shown(costs, 0):>24}{facade:8.0f}{pace:10.0f}{half:8.0f}{most:8.0f}"
            f"  {notes}"
        )


def record(machine: dict[str, str], samples: Samples) -> dict[str, Any]:
    """Return what is written down of the relay."""
    return {
        "machine": machine,
        "rounds": max(map(len, samples.relay.values()), default=0),
        "rows": rows(samples.relay),
        "idle_kb_per_connection": {name: spread(each) for name, each in samples.idle.items()},
    }


def rows(found: ByLoad) -> list[dict[str, Any]]:
    """Return what is written down: one row for each stack and load."""
    return [
        {
            "stack": name,
            "load": load.kind,
            "conversations": load.conversations,
            **({} if load.chunks == CHUNKS else {"chunks": load.chunks}),
            **spreads(rounds),
        }
        for (name, load), rounds in found.items()
    ]


def _tables(found: ByLoad) -> Iterator[str]:
    for load in dict.fromkeys(load for _, load in found):
        yield f"\n{load}"
        yield (
            f"{'':22}{'µs/chunk':>24}{'ratio':>20}{'facade':>8}{'chunks/s':>10}"
            f"{'first p50':>11}{'first p99':>11}{'KB/conv':>9}"
        )
        base = found.get((BASE, load), [])
        yield from (_row(name, each, base) for (name, of), each in found.items() if of == load)


def _row(name: str, rounds: Rounds, base: Rounds) -> str:
    each = spreads(rounds)
    said = [f"{text}: not compared" for text in [not_comparable(rounds)] if text]
    ratio = ""
    if base and not said and not not_comparable(base):
        ratio = _shown(_ratios(rounds, base), 2)
    costs = [one["cpu_us_per_chunk"] for one in rounds]
    # a turn may be longer than a window: then no first chunk was in it
    first = [each[name]["median"] for name in ("first_chunk_p50_us", "first_chunk_p99_us")]
    p50, p99 = [f"{value:.0f}" if value else "-" for value in first]
    return (
        f"{name:22}{_shown(costs, 2):>24}{ratio:>20}{each['facade_us_per_chunk']['median']:8.2f}"
        f"{each['chunks_per_second']['median']:10.0f}{p50:>11}{p99:>11}"
        f"{each['active_kb']['median']:9.1f}  {'; '.join([*said, *remarks(rounds)])}"
    ).rstrip()


def _ratios(rounds: Rounds, base: Rounds) -> list[float]:
    pairs = zip(rounds, base, strict=False)
    return [ours["cpu_us_per_chunk"] / theirs["cpu_us_per_chunk"] for ours, theirs in pairs]


def _shown(values: Sequence[float], digits: int) -> str:
    each = spread(values)
    return f"{each['median']:.{digits}f} ({each['min']:.{digits}f}..{each['max']:.{digits}f})"
