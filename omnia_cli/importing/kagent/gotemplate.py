"""The templates of kagent's prompts, filled in once: a part of Go's text/template.

Known are values of the agent, `include`, texts, comments, trim marks, and if, range and len over
the lists of tools and skills.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from omnia_cli.importing.prompts import Fragment, Piece

# An action has no braces outside its texts, so that many {{ without an end take no time.
_ACTION = re.compile(
    r"\{\{(-(?=\s))?\s*"
    r"(/\*.*?\*/|(?:\"(?:[^\"\\]|\\.)*\"|`[^`]*`|[^\"`{}]|\{(?!\{)|\}(?!\}))*?)"
    r"\s*((?<=\s)-)?\}\}",
    re.DOTALL,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|`([^`]*)`')
_INCLUDE = re.compile(r'include\s+(?:"([^"]*)"|`([^`]*)`)')
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "r": "\r"}
_LONGEST = 1024 * 1024
_DEEPEST = 20
_MOST_PIECES = 100_000


class NotFilledIn(Exception):
    """An action of the template that is not known here."""


@dataclass
class Values:
    """What a template may refer to."""

    texts: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    include: Callable[[str], Fragment]


@dataclass
class _Block:
    """A range or an if, with the nodes of its two branches."""

    word: str
    argument: str
    nodes: "list[_Node]"
    others: "list[_Node]"


_Node: TypeAlias = "tuple[str, str] | _Block"
"""A text or an action with its kind, or a block."""


def fill_in(template: str, values: Values) -> list[Piece]:
    """Return the pieces of a template.

    Raises:
        NotFilledIn: the template has an action that is not known, or is too large.
    """
    if len(template) > _LONGEST:
        raise NotFilledIn(f"a text with more than {_LONGEST >> 20} MiB")
    tokens = _tokens(template)
    nodes, place = _parsed(tokens, 0, 0)
    if place != len(tokens):
        raise NotFilledIn("{{end}} without a beginning")
    pieces: list[Piece] = []
    _render(nodes, values, None, pieces)
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
    if any("{{" in text for kind, text in [*found, ("text", text)] if kind == "text"):
        raise NotFilledIn("an action that does not end")
    found.append(("text", text.lstrip() if trim else text))
    return found


def _parsed(tokens: list[tuple[str, str]], place: int, depth: int) -> tuple[list[_Node], int]:
    """Return the nodes up to the `end` or `else` of this block, and its place."""
    if depth > _DEEPEST:
        raise NotFilledIn(f"more than {_DEEPEST} blocks in each other")
    nodes: list[_Node] = []
    while place < len(tokens):
        kind, text = tokens[place]
        word, _, argument = text.partition(" ")
        if kind == "action" and word in ("end", "else"):
            return nodes, place
        if kind == "action" and word in ("range", "if"):
            inner, end = _parsed(tokens, place + 1, depth + 1)
            others: list[_Node] = []
            if end < len(tokens) and tokens[end][1] == "else":
                others, end = _parsed(tokens, end + 1, depth + 1)
            if end >= len(tokens) or tokens[end][1] != "end":
                raise NotFilledIn(f"{{{{{text}}}}} without its end")
            nodes.append(_Block(word, argument.strip(), inner, others))
            place = end
        elif not text.startswith("/*") or kind == "text":
            nodes.append(tokens[place])
        place += 1
    return nodes, place


def _render(nodes: list[_Node], values: Values, dot: str | None, pieces: list[Piece]) -> None:
    for node in nodes:
        if len(pieces) > _MOST_PIECES:
            raise NotFilledIn("a text that is too long")
        if isinstance(node, _Block):
            _render_block(node, values, dot, pieces)
        else:
            kind, text = node
            pieces.append(text if kind == "text" else _value(text, values, dot))


def _render_block(block: _Block, values: Values, dot: str | None, pieces: list[Piece]) -> None:
    name = block.argument.removeprefix(".")
    entries = values.lists.get(name)
    if entries is None and (block.word == "range" or name not in values.texts):
        raise NotFilledIn(f"{{{{{block.word} {block.argument}}}}}")
    holds = bool(entries) if entries is not None else bool(values.texts[name])
    if not holds:
        _render(block.others, values, dot, pieces)
    elif block.word == "if":
        _render(block.nodes, values, dot, pieces)
    else:
        for entry in entries or ():
            _render(block.nodes, values, entry, pieces)


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
