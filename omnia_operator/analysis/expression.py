"""The syntax of conditions: from a text to a tree of nodes, bounded in length and depth."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from omnia_core.errors import abridged

MAX_LENGTH = 2000
MAX_DEPTH = 50

_END = ""
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<argument>\{\{\s*args\.(?P<name>[A-Za-z0-9_-]+)\s*\}\})
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||[=!<>]=|[-+*/%<>!?:()\[\],.])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_WORDS = {"true": True, "false": False, "nil": None}

# How strongly an operator binds; `?` binds weakest.
_CHOICE = 1
_BINDING = {
    "||": 2,
    "&&": 3,
    "==": 4,
    "!=": 4,
    "<": 5,
    "<=": 5,
    ">": 5,
    ">=": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "%": 7,
}
_PREFIX = 8
_PARAMETERS = {"len": 1, "isNaN": 1, "isInf": 1, "abs": 1, "default": 2}


class ConditionInvalid(ValueError):
    """A text is no condition; the message has the column and what was expected."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


@dataclass(frozen=True, slots=True)
class LiteralNode:
    """A number, a text, `true`, `false` or `nil`; `at` is the column from 0, as of every node."""

    at: int
    value: Any


@dataclass(frozen=True, slots=True)
class ResultNode:
    """The measured value."""

    at: int


@dataclass(frozen=True, slots=True)
class ArgumentNode:
    """An argument of the analysis."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class ItemNode:
    """An item of a list, or a field of an object."""

    at: int
    whole: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True)
class PrefixNode:
    """`-` or `!` before a value."""

    at: int
    sign: str
    value: "Node"


@dataclass(frozen=True, slots=True)
class InfixNode:
    """An operator between two values."""

    at: int
    sign: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class ChoiceNode:
    """`condition ? chosen : otherwise`."""

    at: int
    condition: "Node"
    chosen: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class CallNode:
    """A call of a function."""

    at: int
    function: str
    arguments: tuple["Node", ...]


Node: TypeAlias = (
    LiteralNode
    | ResultNode
    | ArgumentNode
    | ItemNode
    | PrefixNode
    | InfixNode
    | ChoiceNode
    | CallNode
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed text.

    Attributes:
        root: the whole.
        arguments: names of the arguments in it.
        functions: names of the functions that it calls.
    """

    root: Node
    arguments: frozenset[str]
    functions: frozenset[str]


def parse_expression(text: str) -> Expression:
    """Parse a text.

    Raises:
        ConditionInvalid: it is too long, too deep, or not in this syntax.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionInvalid(
            MAX_LENGTH + 1, f"expected at most {MAX_LENGTH} characters, found {len(text)}"
        )
    parser = _Parser(list(_tokens(text)))
    root = parser.whole()
    return Expression(root, frozenset(parser.arguments), frozenset(parser.called))


@dataclass(frozen=True, slots=True)
class _Token:
    at: int
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConditionInvalid(at + 1, _unreadable(text[at]))
        kind = found.lastgroup or ""
        if kind == "name":
            kind = "argument"
        if kind != "space":
            yield _Token(at, kind, found["name"] if kind == "argument" else found[0])
        at = found.end()
    yield _Token(len(text), "end", _END)


def _unreadable(character: str) -> str:
    hints = {
        '"': "the string has no end: close it in the same line",
        "'": "the string has no end: close it in the same line",
        "=": "= is no comparison: write ==",
        "&": "& is no operator: write &&",
        "|": "| is no operator: write ||",
        "{": "expected an argument as {{args.NAME}}",
    }
    return hints.get(character, f"the character {abridged(character)} has no meaning here")


class _Parser:
    """A Pratt parser: each operator takes what binds more strongly than itself."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth: dict[int, int] = {}
        self._open = 0
        self.arguments: set[str] = set()
        self.called: set[str] = set()

    def whole(self) -> Node:
        node = self._expression(0)
        if self._token.kind != "end":
            raise self._wrong("an operator or the end")
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        if token.kind != "end":
            self._next += 1
        return token

    def _wrong(self, expected: str) -> ConditionInvalid:
        token = self._token
        found = "the end" if token.kind == "end" else abridged(token.text)
        return ConditionInvalid(token.at + 1, f"expected {expected}, found {found}")

    def _expect(self, sign: str) -> None:
        if self._token.kind != "sign" or self._token.text != sign:
            raise self._wrong(sign)
        self._take()

    def _built(self, node: Node, *parts: Node) -> Node:
        """Bound the depth of what is built: the evaluation goes down as far."""
        depth = 1 + max((self._depth[id(part)] for part in parts), default=0)
        if depth > MAX_DEPTH:
            raise self._too_deep(node.at)
        self._depth[id(node)] = depth
        return node

    def _too_deep(self, at: int) -> ConditionInvalid:
        return ConditionInvalid(at + 1, f"more than {MAX_DEPTH} levels: write a shorter condition")

    def _expression(self, above: int) -> Node:
        self._open += 1
        if self._open > MAX_DEPTH:
            raise self._too_deep(self._token.at)
        left = self._postfix(self._operand())
        while self._token.kind == "sign":
            sign, at = self._token.text, self._token.at
            if sign == "?" and above < _CHOICE:
                self._take()
                chosen = self._expression(0)
                self._expect(":")
                otherwise = self._expression(0)
                made: Node = ChoiceNode(at, left, chosen, otherwise)
                left = self._built(made, left, chosen, otherwise)
                continue
            binding = _BINDING.get(sign, 0)
            if binding <= above:
                break
            self._take()
            right = self._expression(binding)
            left = self._built(InfixNode(at, sign, left, right), left, right)
        self._open -= 1
        return left

    def _operand(self) -> Node:
        token = self._token
        match token.kind:
            case "number":
                self._take()
                return self._built(LiteralNode(token.at, float(token.text)))
            case "string":
                self._take()
                return self._built(LiteralNode(token.at, _unescaped(token.text[1:-1])))
            case "argument":
                self._take()
                self.arguments.add(token.text)
                return self._built(ArgumentNode(token.at, token.text))
            case "word":
                return self._word()
            case "sign" if token.text == "(":
                self._take()
                inner = self._expression(0)
                self._expect(")")
                return inner
            case "sign" if token.text in ("-", "!"):
                self._take()
                value = self._expression(_PREFIX)
                return self._built(PrefixNode(token.at, token.text, value), value)
        raise self._wrong("a value, such as result")

    def _word(self) -> Node:
        token = self._take()
        if token.text == "result":
            return self._built(ResultNode(token.at))
        if token.text in _WORDS:
            return self._built(LiteralNode(token.at, _WORDS[token.text]))
        if token.text not in _PARAMETERS:
            known = ", ".join(("result", *_WORDS, *_PARAMETERS))
            message = f"{abridged(token.text)} is not known here; the words are {known}"
            raise ConditionInvalid(token.at + 1, message)
        self._expect("(")
        arguments = [self._expression(0)]
        while self._token.kind == "sign" and self._token.text == ",":
            self._take()
            arguments.append(self._expression(0))
        self._expect(")")
        wanted = _PARAMETERS[token.text]
        if len(arguments) != wanted:
            message = f"{token.text} takes {wanted} values, found {len(arguments)}"
            raise ConditionInvalid(token.at + 1, message)
        self.called.add(token.text)
        return self._built(CallNode(token.at, token.text, tuple(arguments)), *arguments)

    def _postfix(self, node: Node) -> Node:
        while self._token.kind == "sign" and self._token.text in ("[", "."):
            opening = self._take()
            if opening.text == "[":
                key = self._expression(0)
                self._expect("]")
            else:
                if self._token.kind != "word":
                    raise self._wrong("the name of a field")
                name = self._take()
                key = self._built(LiteralNode(name.at, name.text))
            node = self._built(ItemNode(opening.at, node, key), node, key)
        return node


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
