"""The tests of a promptfoo file, where their meaning is the same (promptfoo.dev/docs)."""

import json
from collections.abc import Callable
from typing import Any

from omnia_core.jsonvalue import JsonObject

# Names of variables that hold what the user says.
_INPUTS = ("input", "message", "question", "query", "prompt")


class NotTakenOver(Exception):
    """A test cannot be asked; the message says why."""


def _patterns(kind: str) -> Callable[[JsonObject], JsonObject]:
    def read(found: JsonObject) -> JsonObject:
        value = found.get("value")
        texts = value if isinstance(value, list) else [value]
        return {"type": kind, "params": {"patterns": [str(text) for text in texts]}}

    return read


def _regex(expected: bool) -> Callable[[JsonObject], JsonObject]:
    return lambda found: {
        "type": "regex",
        "params": {"pattern": str(found.get("value")), "expect_match": expected},
    }


def _json(found: JsonObject) -> JsonObject:
    wrapped = {"extract_json": True} if str(found.get("type", "")).startswith("contains") else {}
    schema = found.get("value")
    if isinstance(schema, str):
        schema = json.loads(schema)
    if isinstance(schema, dict):
        return {"type": "json_schema", "params": {"schema": schema, **wrapped}}
    return {"type": "json_valid", "params": wrapped}


def _rubric(found: JsonObject) -> JsonObject:
    threshold = found.get("threshold")
    needed = {} if threshold is None else {"threshold": {"min_score": float(threshold)}}
    return {"type": "llm_judge", "params": {"criteria": str(found.get("value"))}, **needed}


_ASSERTIONS: dict[str, Callable[[JsonObject], JsonObject]] = {
    "contains": _patterns("contains"),
    "icontains": _patterns("contains"),
    "contains-all": _patterns("contains"),
    "icontains-all": _patterns("contains"),
    "contains-any": _patterns("contains_any"),
    "icontains-any": _patterns("contains_any"),
    "not-contains": _patterns("content_excludes"),
    "not-icontains": _patterns("content_excludes"),
    "equals": lambda found: {"type": "equals", "params": {"expected": str(found.get("value"))}},
    "regex": _regex(expected=True),
    "not-regex": _regex(expected=False),
    "is-json": _json,
    "contains-json": _json,
    "llm-rubric": _rubric,
    "cost": lambda found: {
        "type": "cost_budget",
        "params": {"max_cost_usd": found.get("threshold")},
    },
    "latency": lambda found: {
        "type": "latency_budget",
        "params": {"max_ms": found.get("threshold")},
    },
}


def from_promptfoo(document: JsonObject, notes: list[str]) -> list[JsonObject]:
    """Return the tests as cases; add what is not imported to `notes`.

    Raises:
        NotTakenOver: it is not clear what the user says in a test.
    """
    default = document.get("defaultTest")
    shared = default.get("assert") if isinstance(default, dict) else None
    cases = []
    for number, test in enumerate(document["tests"], 1):
        if not isinstance(test, dict):
            raise NotTakenOver(f"test {number}: expected an object")
        own = test.get("assert") or []
        asserted = [*(shared if isinstance(shared, list) else ()), *own]
        evals = [each for found in asserted for each in _assertion(number, found, notes)]
        name = str(test.get("description") or f"test {number}")
        cases.append({"name": name, **_input(number, test.get("vars")), "evals": evals})
    return cases


def _input(number: int, variables: Any) -> JsonObject:
    if not isinstance(variables, dict) or not variables:
        raise NotTakenOver(f"test {number}: expected vars with what the user says")
    names = [name for name in _INPUTS if name in variables] or list(variables)
    if len(names) > 1 and names[0] not in _INPUTS:
        there = ", ".join(variables)
        raise NotTakenOver(
            f"test {number}: it is not clear which of the variables {there} the user says:"
            f" call that one {_INPUTS[0]}"
        )
    others = {key: str(value) for key, value in variables.items() if key != names[0]}
    return {"input": variables[names[0]], **({"metadata": others} if others else {})}


def _assertion(number: int, found: Any, notes: list[str]) -> list[JsonObject]:
    kind = found.get("type") if isinstance(found, dict) else None
    read = _ASSERTIONS.get(str(kind))
    if read is None:
        notes.append(f"test {number}: the assertion {kind} is not taken over")
        return []
    try:
        return [read(found)]
    except ValueError as error:
        notes.append(f"test {number}: the assertion {kind} is not taken over: {error}")
        return []
