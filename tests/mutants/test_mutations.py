"""The small faults that are made."""

import ast
from pathlib import Path

import pytest

from tests.mutants.areas import AREAS
from tests.mutants.mutations import mutants_of, sample

_PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("a = b < c", ["(b <= c)"]),
        ("a = b and c", ["((b) or (c))", "((c))", "((b))"]),
        ("if a: b()", ["(not (a))", "pass"]),
        ("a = not b", ["(b)"]),
        ("a = 3", ["(4)", "(2)"]),
        ("a = True", ["False"]),
        ("a = 'ü'", ["'XXü'"]),
        ("raise a", ["pass"]),
        ("def f(): return a", ["None"]),
        ("try: a()\nexcept b: c()", ["pass", "()", "pass"]),
        ("a = f(b, c)", ["f(c, b)"]),
        ("a = f(b, b)", []),
        ("a = min(b)", ["max"]),
        ("a = f(b, c=d)", ["f(b)"]),
        ("a = b[c:]", ["None"]),
        ("a = f'ü{b < c}'", ["(b <= c)"]),
        ("'a docstring'", []),
        ("_log.info(a)", []),
        ("class C:\n    __slots__ = ('a',)", []),
        ("a: 'b' = c", []),
        ("@a(b=1)\nclass C(D, frozen=True):\n    'text'\n    e = 0", ["(1)", "(-1)"]),
    ],
)
def test_a_module_has_these_faults(source: str, faults: list[str]) -> None:
    found = mutants_of("m.py", source.encode())
    assert [each.after for each in found] == faults
    for each in found:
        changed = each.apply(source.encode())
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))


def test_a_seed_draws_the_same_faults() -> None:
    every = mutants_of("m.py", b"\n".join(b"a = b < %d" % number for number in range(30)))
    drawn = sample(every, 10, seed=1)
    assert len(set(drawn)) == 10
    assert drawn == sample(every, 10, seed=1)
    assert drawn != sample(every, 10, seed=2)


@pytest.mark.parametrize("name", AREAS)
def test_the_files_of_an_area_exist(name: str) -> None:
    assert AREAS[name].module_paths(_PROJECT)
    assert AREAS[name].test_paths(_PROJECT)


def test_every_named_test_file_of_an_area_exists() -> None:
    for area in AREAS.values():
        for pattern in area.tests:
            assert list(_PROJECT.glob(pattern)), pattern
