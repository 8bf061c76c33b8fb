"""What our definitions refuse of a written object is left out, and said."""

from typing import Any

from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import Written
from omnia_core.names import API_VERSION, Kind
from omnia_operator import api
from omnia_operator.api import dotted

_ROUNDS = 50


def repaired(written: Written) -> bool:
    """Remove the values of an object that its definition refuses; False if that does not help.

    Most are fields that theirs have and ours have not, or values that a reader passes on as they
    are.
    """
    if written.kind not in set(Kind):
        return True
    head = {"apiVersion": API_VERSION, "kind": written.kind, "metadata": {"name": written.name}}
    for _ in range(_ROUNDS):
        found = api.findings({**head, **written.body})
        wrong = [each for each in found if each.severity is api.Severity.ERROR]
        if not wrong:
            return True
        if not _remove(written.body, wrong[0].path):
            _note(written, (), f"it cannot be written: {dotted(wrong[0].path)}: {wrong[0].message}")
            return False
        _note(written, wrong[0].path, wrong[0].message)
    return False


def _remove(body: Any, path: tuple[Any, ...]) -> bool:
    """Remove the value at a path, or the nearest one that contains it; never the whole spec."""
    holders = [body]
    for step in path:
        try:
            holders.append(holders[-1][step])
        except (KeyError, IndexError, TypeError):
            break
    for depth in range(len(holders) - 1, 1, -1):
        holder, step = holders[depth - 1], path[depth - 1]
        if isinstance(holder, dict | list):
            del holder[step]
            return True
    return False


def _note(written: Written, path: tuple[Any, ...], message: str) -> None:
    known = "unknown field" in message
    for source in written.sources[:1]:
        kind = NoteKind.DROPPED if known else NoteKind.ASKED
        reason = "there is no such field here" if known else f"{message}; it is left out"
        source.note(kind, f"{written.kind} {written.name}, {dotted(path)}: {reason}")
