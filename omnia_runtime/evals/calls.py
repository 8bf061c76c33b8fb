"""Evaluations of the tool calls."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from omnia_core.files.evals.rules import (
    CallArguments,
    CallCount,
    CallErrors,
    CallResult,
    CallSequence,
    CallsRepeated,
    ToolsCalled,
    ToolsNotCalled,
)
from omnia_core.jsonvalue import parse_json
from omnia_core.patterns import compile_pattern, finds
from omnia_runtime.evals.facts import CallFact
from omnia_runtime.evals.score import Score, right, share
from omnia_runtime.validators.words import fold

CallRule = (
    ToolsCalled
    | ToolsNotCalled
    | CallCount
    | CallSequence
    | CallArguments
    | CallResult
    | CallsRepeated
    | CallErrors
)


def measure(rule: CallRule, calls: Sequence[CallFact]) -> Score:
    """Measure the calls of a turn or a session."""
    match rule:
        case ToolsCalled():
            return _called(rule, calls)
        case ToolsNotCalled():
            found = sorted({call.name for call in calls} & set(rule.tools))
            return right(not found, f"called: {', '.join(found)}")
        case CallCount():
            return _count(rule, calls)
        case CallSequence():
            return _sequence(rule, calls)
        case CallArguments():
            return _arguments(rule, calls)
        case CallResult():
            return _results(rule, calls)
        case CallsRepeated():
            return _repeated(rule, calls)
        case CallErrors():
            chosen = _chosen(calls, rule.tools)
            failed = [each.name for each in chosen if each.is_error]
            return share(len(chosen) - len(failed), len(chosen), f"failed: {', '.join(failed)}")


def _chosen(calls: Sequence[CallFact], tools: Sequence[str]) -> Sequence[CallFact]:
    return [call for call in calls if call.name in tools] if tools else calls


def _called(rule: ToolsCalled, calls: Sequence[CallFact]) -> Score:
    counts = Counter(call.name for call in calls if not call.is_error)
    wrong = [
        f"{name} {counts[name]} times"
        for name in rule.tools
        if counts[name] < rule.least or (rule.most is not None and counts[name] > rule.most)
    ]
    others = ", ".join(sorted(counts.keys() - set(rule.tools))) or "nothing else"
    explanation = f"called: {', '.join(wrong)}, and {others}"
    return share(len(rule.tools) - len(wrong), len(rule.tools), explanation)


def _count(rule: CallCount, calls: Sequence[CallFact]) -> Score:
    count = len(_chosen(calls, (rule.tool,) if rule.tool else ()))
    enough = count >= rule.least and (rule.most is None or count <= rule.most)
    return right(enough, f"{rule.tool or 'tools'}: called {count} times")


def _sequence(rule: CallSequence, calls: Sequence[CallFact]) -> Score:
    reached = 0
    for each in calls:
        if reached < len(rule.tools) and each.name == rule.tools[reached]:
            reached += 1
    missing = rule.tools[reached] if reached < len(rule.tools) else ""
    return share(reached, len(rule.tools), f"{missing} was not called in its place")


def _arguments(rule: CallArguments, calls: Sequence[CallFact]) -> Score:
    chosen = _chosen(calls, (rule.tool,))
    if not chosen:
        return right(correct=False, explanation=f"{rule.tool} was not called")
    faults = [_fault(rule, each) for each in chosen]
    correct = not any(faults) if rule.every else not all(faults)
    return right(correct, next((each for each in faults if each), ""))


def _fault(rule: CallArguments, call: CallFact) -> str:
    try:
        found: Any = parse_json(call.arguments or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return f"the arguments of {call.name} are no object"
    for name, value in rule.expected.items():
        if name not in found:
            return f"{call.name}: the argument {name} is missing"
        if value is not None and _text(found[name]) != _text(value):
            return f"{call.name}: {name} is {_text(found[name])}, expected {_text(value)}"
    for name, pattern in rule.patterns.items():
        if name not in found or not finds(compile_pattern(pattern), _text(found[name])):
            return f"{call.name}: {name} does not match {pattern}"
    return ""


def _text(value: object) -> str:
    """Return a value as people write it: numbers that are equal have one text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _results(rule: CallResult, calls: Sequence[CallFact]) -> Score:
    texts = [fold(text) for text in rule.texts]
    pattern = compile_pattern(rule.pattern) if rule.pattern else None

    def matches(result: str) -> bool:
        if pattern is not None:
            return finds(pattern, result)
        folded = fold(result)
        return all(text in folded for text in texts)

    count = sum(matches(each.result) for each in _chosen(calls, (rule.tool,)))
    return right(count >= rule.occurrence, f"{rule.tool}: {count} results match")


def _repeated(rule: CallsRepeated, calls: Sequence[CallFact]) -> Score:
    runs = [(name, len(list(group))) for name, group in groupby(calls, lambda call: call.name)]
    wrong = [
        f"{name} {count} times in a row"
        for name, count in runs
        if count > rule.most and (not rule.tools or name in rule.tools)
    ]
    return right(not wrong, ", ".join(wrong))
