"""Evaluations of what an answer says."""

from collections.abc import Callable

from omnia_core.files.evals.rules import Equals
from omnia_core.files.validators import Excludes, Includes, Rule
from omnia_runtime.evals.score import Score, right, share
from omnia_runtime.validators.compiled import check_of
from omnia_runtime.validators.words import fold

Measure = Callable[[str], Score]


# What was compiled, by the identity of its rule: parameters may have no hash.
_compiled: dict[int, tuple[Rule | Equals, Measure]] = {}
_MOST_COMPILED = 1000


def measure_of(rule: Rule | Equals) -> Measure:
    """Return a rule for texts, compiled once."""
    found = _compiled.get(id(rule))
    if found is None or found[0] is not rule:
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        found = _compiled[id(rule)] = (rule, _compile(rule))
    return found[1]


def _compile(rule: Rule | Equals) -> Measure:
    if isinstance(rule, Equals):
        return _equals(rule)
    if isinstance(rule, Includes) and rule.every:
        return _includes(rule)
    if isinstance(rule, Excludes):
        return _excludes(rule)
    check = check_of(rule)

    def measure(text: str) -> Score:
        detail = check(text)
        return right(detail is None, detail or "")

    return measure


def _equals(rule: Equals) -> Measure:
    wanted = fold(rule.text.strip()) if rule.ignore_case else rule.text.strip()

    def measure(text: str) -> Score:
        found = fold(text.strip()) if rule.ignore_case else text.strip()
        return right(found == wanted, f'expected "{rule.text}"')

    return measure


def _excludes(rule: Excludes) -> Measure:
    texts, check = [fold(text) for text in rule.texts], check_of(rule)

    def measure(text: str) -> Score:
        folded = fold(text)
        # Most texts have none of them, which takes little time to see.
        detail = check(text) if any(each in folded for each in texts) else None
        return right(detail is None, detail or "")

    return measure


def _includes(rule: Includes) -> Measure:
    texts = [(fold(text), text) for text in rule.texts]

    def measure(text: str) -> Score:
        folded = fold(text)
        missing = [shown for wanted, shown in texts if wanted not in folded]
        named = ", ".join(f'"{each}"' for each in missing)
        return share(len(texts) - len(missing), len(texts), f"it does not contain {named}")

    return measure
