"""Datasets made of recorded sessions: what the user said, and what the answers did."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from omnia_cli.control_characters import visible
from omnia_cli.evaluation.dataset import DatasetInvalid, read_dataset
from omnia_cli.evaluation.recorded import ReadSession
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message

_SHOWN = 300
_HEAD = """\
# Cases from recorded conversations. Say in `evals` or `expected` what a good answer has:
# docs/how-to/evals.md lists the types.
cases:
"""


class NoSuchTurn(Exception):
    """A session does not have the turn; the message says which it has."""


def dataset_text(sessions: Sequence[ReadSession]) -> str:
    """Return a dataset with a case for each session in which a user said something."""
    return _HEAD + "".join(
        _indented(_case_text(session), 2) for session in sessions if _turns(session)
    )


def case_text(session: ReadSession, turn: int) -> str:
    """Return one case, as the item of a YAML list: the session up to a turn, from 1.

    Raises:
        NoSuchTurn: the session has no such turn.
    """
    turns = _turns(session)
    if not 1 <= turn <= len(turns):
        there = f"1 to {len(turns)}" if turns else "none"
        raise NoSuchTurn(f"session {session.session.id} has no turn {turn}; its turns: {there}")
    return _case_text(session, turn)


def _turns(session: ReadSession) -> list[list[Message]]:
    """Return the messages of each turn, which begins with the user's."""
    turns: list[list[Message]] = []
    for message in session.session.messages:
        if message.role == "user":
            turns.append([])
        if turns and message.role != "summary":
            turns[-1].append(message)
    return turns


def _case_text(session: ReadSession, turn: int | None = None) -> str:
    turns = _turns(session)[:turn]
    name = session.name if turn is None else f"{session.name}, turn {turn}"
    said = [each[0].content for each in turns]
    case: JsonObject = {"name": name}
    case |= {"input": said[0]} if len(said) == 1 else {"messages": said}
    case["evals"] = list(_evals(turns[-1]))
    answer = " ".join(turns[-1][-1].content.split())
    cut = answer if len(answer) <= _SHOWN else f"{answer[:_SHOWN]}…"
    note = f"# The recorded answer: {visible(cut)}\n" if turns[-1][-1].role == "assistant" else ""
    return note + msgspec.yaml.encode([case]).decode()


def _evals(turn: Sequence[Message]) -> Iterator[JsonObject]:
    """Yield what holds of the recorded turn and should hold of every answer."""
    called = Counter(call.name for message in turn for call in message.tool_calls)
    if called:
        yield {"id": "tools", "type": "tools_called", "params": {"tools": sorted(called)}}
    else:
        yield {"id": "no-tools", "type": "tool_call_count", "params": {"max": 0}}
    if not any(message.is_error for message in turn):
        yield {"id": "no-errors", "type": "no_tool_errors", "params": {}}


def added(dataset: Path, case: str) -> str:
    """Return the text of a dataset with one more case, which is checked.

    Raises:
        DatasetInvalid: it cannot be read, or a case cannot be added at its end.
    """
    if not dataset.exists():
        return _HEAD + _indented(case, 2)
    before = read_dataset(dataset)
    text = dataset.read_text(encoding="utf-8-sig")
    items = re.search(r"^cases:[^\n]*\n(?:\s*(?:#[^\n]*)?\n)*( *)- ", text, re.MULTILINE)
    depth = len(items[1]) if items else 0
    made = text.rstrip("\n") + "\n" + _indented(case, depth)
    beside = dataset.with_name(f".{dataset.name}.new{dataset.suffix}")
    try:
        beside.write_text(made, encoding="utf-8")
        whole = len(read_dataset(beside).cases) == len(before.cases) + 1
    except DatasetInvalid:
        whole = False
    finally:
        beside.unlink(missing_ok=True)
    if not whole:
        raise DatasetInvalid(
            f"{dataset}: a case cannot be appended: expected YAML whose last key is cases, with one"
            " item per line; print the case without -o, and insert it by hand"
        )
    return made


def _indented(text: str, depth: int) -> str:
    return "".join(
        f"{' ' * depth}{line}" if line.strip() else line for line in text.splitlines(True)
    )
