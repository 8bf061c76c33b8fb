"""Evaluations of what an answer says."""

from collections.abc import Callable

from omnia_core.files.evals.rules import Equals
from omnia_core.files.validators import Includes, Rule
from omnia_runtime.evals.score import Score, right, share
from omnia_runtime.validators.compiled import check_of
from omnia_runtime.validators.words import fold

Measure = Callable[[str], Score]


def measure_of(rule: Rule | Equals) -> Measure:
    """Compile a rule for texts."""
    if isinstance(rule, Equals):
        return _equals(rule)
    if isinstance(rule, Includes) and rule.every:
        return _includes(rule)
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


def _includes(rule: Includes) -> Measure:
    texts = [(fold(text), text) for text in rule.texts]

    def measure(text: str) -> Score:
        folded = fold(text)
        missing = [shown for wanted, shown in texts if wanted not in folded]
        named = ", ".join(f'"{each}"' for each in missing)
        return share(len(texts) - len(missing), len(texts), f"it does not contain {named}")

    return measure
