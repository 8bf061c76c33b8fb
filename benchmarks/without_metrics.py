"""Runs a program whose series count nothing: `-m benchmarks.without_metrics omnia_facade`."""

import runpy
import sys

from prometheus_client import Counter, Gauge, Histogram


def _nothing(*_: object, **__: object) -> None:
    pass


for series, names in (
    (Counter, ("inc",)),
    (Gauge, ("inc", "dec", "set")),
    (Histogram, ("observe",)),
):
    for name in names:
        setattr(series, name, _nothing)

if __name__ == "__main__":
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
