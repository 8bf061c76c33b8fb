"""Makes a sample of faults in an area and prints which ones no test notices."""

import argparse
import secrets
import tempfile
from pathlib import Path

from tests.mutants.areas import AREAS
from tests.mutants.mutations import Mutant, mutants_of, sample
from tests.mutants.trial import baseline, copy_of, noticed

_PROJECT = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("area", choices=sorted(AREAS), nargs="+")
    parser.add_argument("--sample", type=int, default=40, help="how many faults (default 40)")
    parser.add_argument("--seed", type=int, help="draws the same faults again")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10_000) if arguments.seed is None else arguments.seed
    missed = [area for area in arguments.area if not _tried(area, arguments.sample, seed)]
    if missed:
        raise SystemExit(f"Below the goal: {', '.join(missed)}")


def _tried(name: str, count: int, seed: int) -> bool:
    area = AREAS[name]
    with tempfile.TemporaryDirectory(prefix="omnia-mutants-") as folder:
        copy = copy_of(_PROJECT, Path(folder))
        modules = area.module_paths(copy)
        every = [each for path in modules for each in mutants_of(path, (copy / path).read_bytes())]
        drawn = sample(every, count, seed)
        print(f"{name}: {len(drawn)} of {len(every)} faults, seed {seed}", flush=True)
        known = baseline(copy, modules, area.test_paths(copy))
        for test in known.failed:
            print(f"  left out, because it fails without a fault: {test}", flush=True)
        survivors = [each for each in drawn if not _is_noticed(copy, each, known.tests_of(each))]
    score = 100 * (len(drawn) - len(survivors)) / len(drawn)
    print(f"{name}: {score:.0f} % noticed, goal {area.goal} %", flush=True)
    return score >= area.goal


def _is_noticed(copy: Path, mutant: Mutant, tests: list[str]) -> bool:
    found = noticed(copy, mutant, tests)
    if not found:
        print(f"  not noticed by {len(tests)} tests: {mutant}", flush=True)
    return found


main()
