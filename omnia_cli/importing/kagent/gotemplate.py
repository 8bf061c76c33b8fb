"""The templates of kagent's prompts, filled in once: a part of Go's text/template.

Known are values of the agent, `include`, texts, comments, trim marks, and if, range and len over
the lists of tools and skills.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from omnia_cli.importing.prompts import Fragment

_ACTION = re.compile(
    r"\{\{(-(?=\s))?\s*(/\*.*?\*/|(?:\"(?:[^\"\\]|\\.)*\"|`[^`]*`|[^\"`}]|\}(?!\}))*?)\s*((?<=\s)-)?\}\}",
    re.DOTALL,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|`([^`]*)`')
_INCLUDE = re.compile(r'include\s+(?:"([^"]*)"|`([^`]*)`)')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "r": "\r"}
_MOST = 1_000_000


class NotFilledIn(Exception):
    """An action of the template that is not known here."""


@dataclass
class Values:
    """What a template may refer to."""

    texts: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    include: Callable[[str], Fragment]


def fill_in(template: str, values: Values) -> list[str | Fragment]:
    """Return the pieces of a template.

    Raises:
        NotFilledIn: the template has an action that is not known.
    """
    tokens = _tokens(template)
    pieces, rest = _run(tokens, 0, values, None)
    if rest != len(tokens):
        raise NotFilledIn("{{end}} without a beginning")
    return pieces


def _tokens(template: str) -> list[tuple[str, str]]:
    """Return texts and actions, with the white space gone that trim marks take."""
    found: list[tuple[str, str]] = []
    place, trim = 0, False
    for action in _ACTION.finditer(template):
        text = template[place : action.start()]
        text = text.lstrip() if trim else text
        found.append(("text", text.rstrip() if action[1] else text))
        found.append(("action", action[2].strip()))
        place, trim = action.end(), bool(action[3])
    text = template[place:]
    if "{{" in text:
        raise NotFilledIn("an action that does not end")
    found.append(("text", text.lstrip() if trim else text))
    return found


def _run(
    tokens: list[tuple[str, str]], place: int, values: Values, dot: str | None
) -> tuple[list[str | Fragment], int]:
    """Return the pieces up to the `end` or `else` of this block, and its place."""
    pieces: list[str | Fragment] = []
    while place < len(tokens):
        kind, text = tokens[place]
        word = text.split(maxsplit=1)[0] if kind == "action" and text.split() else ""
        if kind == "text":
            pieces.append(text)
        elif word in ("end", "else"):
            return pieces, place
        elif word in ("range", "if"):
            made, place = _block(tokens, place, values, dot)
            pieces += made
        elif not text.startswith("/*"):
            pieces.append(_value(text, values, dot))
        place += 1
        if len(pieces) > _MOST:
            raise NotFilledIn("a text that is too long")
    return pieces, place


def _block(
    tokens: list[tuple[str, str]], place: int, values: Values, dot: str | None
) -> tuple[list[str | Fragment], int]:
    word, _, argument = tokens[place][1].partition(" ")
    argument = argument.strip()
    entries = values.lists.get(argument.removeprefix("."))
    if entries is None and (word == "range" or argument.removeprefix(".") not in values.texts):
        raise NotFilledIn(f"{{{{{tokens[place][1]}}}}}")
    holds = bool(entries) if entries is not None else bool(values.texts[argument[1:]])
    rounds: Sequence[str | None] = (entries or ()) if word == "range" else [dot] * holds
    pieces: list[str | Fragment] = []
    _, end = _run(tokens, place + 1, values, dot if word == "if" else "")
    for each in rounds:
        made, end = _run(tokens, place + 1, values, each)
        pieces += made
    if end < len(tokens) and tokens[end][1] == "else":
        other, end = _run(tokens, end + 1, values, dot)
        pieces += [] if rounds else other
    if end >= len(tokens) or tokens[end][1] != "end":
        raise NotFilledIn(f"{{{{{tokens[place][1]}}}}} without its end")
    return pieces, end


def _value(text: str, values: Values, dot: str | None) -> str | Fragment:
    if text == "." and dot is not None:
        return dot
    if string := _STRING.fullmatch(text):
        return string[2] if string[1] is None else _unescaped(string[1])
    if include := _INCLUDE.fullmatch(text):
        return values.include(include[1] if include[1] is not None else include[2])
    name = text.removeprefix(".")
    if text.startswith(".") and name in values.texts:
        return values.texts[name]
    length = text.removeprefix("len").strip().removeprefix(".")
    if text.startswith("len ") and length in values.lists:
        return str(len(values.lists[length]))
    raise NotFilledIn(f"{{{{{text}}}}}")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)
