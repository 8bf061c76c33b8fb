"""Datasets: the cases that an agent is asked, from YAML, JSON, JSON lines, CSV or promptfoo."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from omnia_cli.evaluation.promptfoo import NotTakenOver, from_promptfoo
from omnia_core.documents import FILE_LIMITS, DocumentInvalid, read_document
from omnia_core.files.evals import read_evals
from omnia_core.files.pack.prompt import Eval
from omnia_core.jsonvalue import JsonObject

EXPECTED = "expected"
"""The id of the evaluation that a case with an expected answer and no other gets."""


class DatasetInvalid(Exception):
    """A dataset cannot be read; the message names file, place and remedy."""


class DatasetCase(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One case.

    Attributes:
        name: for reports; "case 1" and so on without one.
        input: what the user says, or the input of a function.
        messages: what the user says in several turns, instead of `input`.
        expected: a text that the answer contains; judges get it as the expected answer.
        metadata: values of the prompt's variables, as a client sends them.
        evals: evaluations of this case, beside those of the pack.
    """

    name: str = ""
    input: Any = None
    messages: list[str] = field(default_factory=list)
    expected: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    evals: list[JsonObject] = field(default_factory=list)


class Dataset(Struct, frozen=True):
    """Cases that can be asked.

    Attributes:
        notes: what was not taken over from another format.
        agent: the AgentRuntime that the cases are for; "" where the dataset names none.
    """

    cases: tuple["ReadyCase", ...]
    notes: tuple[str, ...] = ()
    agent: str = ""


class ReadyCase(Struct, frozen=True):
    """A case with a name, its messages as texts, and its evaluations checked."""

    name: str
    messages: tuple[str, ...]
    metadata: Mapping[str, str]
    evals: tuple[Eval, ...]


def read_dataset(path: Path) -> Dataset:
    """Read a dataset; the ending of its name decides about its format.

    Raises:
        DatasetInvalid: it cannot be read, or a case or one of its evaluations is invalid.
    """
    text = _text_of(path)
    notes: list[str] = []
    shared: list[JsonObject] = []
    agent = ""
    if path.suffix == ".csv":
        raw: list[Any] = list(_csv(path, text))
    elif path.suffix == ".jsonl":
        raw = list(_lines(path, text))
    else:
        raw, shared, agent = _document(path, text, notes)
    if not raw:
        raise DatasetInvalid(f"{path}: there is no case in it; add one, with an input")
    cases = [_case(path, number, each, shared) for number, each in enumerate(raw, 1)]
    return Dataset(tuple(cases), tuple(notes), agent)


def read_shared_evals(path: Path) -> tuple[Eval, ...]:
    """Read the evaluations that a dataset has for every case; its cases are not looked at.

    Raises:
        DatasetInvalid: it cannot be read, or one of the evaluations is invalid.
    """
    if path.suffix in (".csv", ".jsonl"):
        return ()
    try:
        value = read_document(_text_of(path), FILE_LIMITS)
    except DocumentInvalid as error:
        raise DatasetInvalid(f"{path}: {error}") from error
    declared = _shared(path, value) if isinstance(value, dict) else []
    return _evals(str(path), declared, DatasetCase())


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasetInvalid(f"{path}: cannot be read: {reason}") from error


def _csv(path: Path, text: str) -> Iterator[JsonObject]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    columns = rows.fieldnames or []
    if "input" not in columns:
        there = ", ".join(columns) or "none"
        raise DatasetInvalid(
            f"{path}:1: expected a first line with the columns input and expected, found {there}"
        )
    known = ("name", "input", EXPECTED)
    for row in rows:
        found: JsonObject = {key: row[key] or "" for key in known if key in columns}
        others = {key: value for key, value in row.items() if key and key not in known and value}
        yield {**found, "metadata": others} if others else found


def _lines(path: Path, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield read_document(line, FILE_LIMITS)
            except DocumentInvalid as error:
                raise DatasetInvalid(f"{path}:{number}: {error}") from error


def _document(path: Path, text: str, notes: list[str]) -> tuple[list[Any], list[JsonObject], str]:
    """Return the cases, the evaluations of all, and the agent.

    Raises:
        DatasetInvalid: see `read_dataset`.
    """
    try:
        value = read_document(text, FILE_LIMITS)
    except DocumentInvalid as error:
        raise DatasetInvalid(f"{path}: {error}") from error
    if isinstance(value, list):
        return value, [], ""
    if isinstance(value, dict) and isinstance(value.get("cases"), list):
        unknown = ", ".join(value.keys() - {"agent", "cases", "evals"})
        if unknown:
            raise DatasetInvalid(
                f"{path}: {unknown}: not known; a dataset has cases, evals and agent"
            )
        agent = value.get("agent") or ""
        if not isinstance(agent, str):
            raise DatasetInvalid(f"{path}: agent: expected the name of an AgentRuntime")
        return value["cases"], _shared(path, value), agent
    if isinstance(value, dict) and isinstance(value.get("tests"), list):
        try:
            return from_promptfoo(value, notes), [], ""
        except NotTakenOver as error:
            raise DatasetInvalid(f"{path}: {error}") from error
    raise DatasetInvalid(f"{path}: expected a list of cases, or an object with the key cases")


def _shared(path: Path, value: JsonObject) -> list[JsonObject]:
    evals = value.get("evals") or []
    if not isinstance(evals, list) or not all(isinstance(evaluation, dict) for evaluation in evals):
        raise DatasetInvalid(f"{path}: evals: expected a list of objects")
    return evals


def _case(path: Path, number: int, raw: Any, shared: list[JsonObject]) -> ReadyCase:
    where = f"{path}: case {number}"
    try:
        case = msgspec.convert(raw, DatasetCase)
    except msgspec.ValidationError as error:
        raise DatasetInvalid(f"{where}: {error}") from error
    if (case.input is None) is not bool(case.messages):
        raise DatasetInvalid(f"{where}: expected either input or messages")
    messages = tuple(case.messages) or (_text(case.input),)
    declared = [*shared, *case.evals]
    if case.expected and not declared:
        contains = {"patterns": [case.expected]}
        declared = [{"id": EXPECTED, "type": "contains", "params": contains}]
    evals = _evals(where, declared, case)
    return ReadyCase(case.name or f"case {number}", messages, case.metadata, evals)


def _evals(where: str, declared: list[JsonObject], case: DatasetCase) -> tuple[Eval, ...]:
    named = zip(declared, _ids(declared), strict=True)
    evals = [_eval(f"{where}: {name}", name, each, case) for each, name in named]
    _, problems = read_evals(evals)
    if problems:
        raise DatasetInvalid(f"{where}: {problems[0]}")
    return tuple(evals)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ids(declared: list[JsonObject]) -> Iterator[str]:
    """Yield the id of each evaluation: its own, or its type with a number from the second on."""
    seen: Counter[str] = Counter()
    for each in declared:
        name = str(each.get("id") or each.get("type"))
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}"


def _eval(where: str, name: str, raw: JsonObject, case: DatasetCase) -> Eval:
    value: JsonObject = {"trigger": "every_turn", **raw, "id": name}
    params = value.get("params") or {}
    judged = str(value.get("type")).startswith("llm_judge")
    if case.expected and judged and isinstance(params, dict) and "reference" not in params:
        value["params"] = {**params, "reference": case.expected}
    try:
        return msgspec.convert(value, Eval)
    except msgspec.ValidationError as error:
        raise DatasetInvalid(f"{where}: {error}") from error
