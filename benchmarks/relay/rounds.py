"""One round: every stack under every load, those that are compared right after each other."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.relay.measuring import Calls, Load, idle_kb, measure, measure_calls
from benchmarks.relay.samples import ByLoad, Samples
from benchmarks.relay.stacks import STACKS, Stack, function, omnia_with_vendor

LOADS = (
    Load("burst", 1),
    Load("burst", 100),
    Load("burst", 1000),
    Load("paced", 200, 20_000),
    Load("paced", 1000, 100_000),
)
IDLE = 1000
MODEL_LOADS = (Load("paced", 200, 20_000), Load("paced", 50, 20_000, chunks=10))
MODEL_STACKS: Mapping[str, Stack] = {
    "omnia-openai": omnia_with_vendor,
    "omnia": STACKS["omnia"],
    "go-lean": STACKS["go-lean"],
}
CALLS = Calls(32, "/functions/echo-function", '{"message": "hello"}', '{"echo":"hello"}')
_WARM = 2.0


def relay_round(
    number: int, names: Sequence[str], loads: Iterable[Load], seconds: float, samples: Samples
) -> None:
    """Measure the relay. Who comes first is another one in each round."""
    turned = rotated(names, number)
    stacks = {name: STACKS[name] for name in turned}
    for load in loads:
        _under(load, stacks, seconds, samples.relay)
    _say(f"{IDLE} idle connections")
    for name in turned:
        with STACKS[name]() as serving:
            samples.idle.setdefault(name, []).append(idle_kb(serving, IDLE))


def model_round(number: int, seconds: float, samples: Samples) -> None:
    """Measure the pair with a model's server beside the pair and the relay without one."""
    stacks = {name: MODEL_STACKS[name] for name in rotated(list(MODEL_STACKS), number)}
    for load in MODEL_LOADS:
        _under(load, stacks, seconds, samples.model)


def calls_round(seconds: float, samples: Samples) -> None:
    """Measure function calls."""
    _say(f"function calls, {CALLS.connections} connections")
    with function() as serving:
        samples.calls.append(measure_calls(serving, CALLS, min(_WARM, seconds), seconds))


def rotated(names: Sequence[str], number: int) -> list[str]:
    """Return the names, the first `number` of them at the end."""
    turn = number % len(names)
    return [*names[turn:], *names[:turn]]


def _under(load: Load, stacks: Mapping[str, Stack], seconds: float, found: ByLoad) -> None:
    for name, stack in stacks.items():
        _say(f"{load}: {name}")
        # A new stack for each load: none pays for the memory of another.
        with stack() as serving:
            figures = measure(serving, load, min(_WARM, seconds), seconds)
        found.setdefault((name, load), []).append(figures)


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr)
