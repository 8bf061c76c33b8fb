"""Conditions over a measured value, such as `result[0] < 0.05 && !isNaN(result[0])`.

The syntax is the part of github.com/expr-lang/expr that Argo Rollouts' users write: numbers,
strings, `true`, `false`, `nil`, `result`, `a[0]`, `a.b`, `{{args.name}}`, `+ - * / %`, comparisons,
`&& || !`, `a ? b : c`, and the functions `len`, `isNaN`, `isInf`, `default` and `abs`. A list of
one value compares as that value. Nothing else can be called or read, and every text ends: length
and depth are bounded, and there are no loops.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
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

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}
_PARAMETERS = {"len": 1, "isNaN": 1, "isInf": 1, "abs": 1, "default": 2}
_EXPECT_MISSING = frozenset({"len", "isNaN", "default"})


class ConditionInvalid(ValueError):
    """A text is no condition; the message has the column and what was expected."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


class ConditionFailed(ValueError):
    """A condition has no answer for a value; the message has the column and says why."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(f"column {at + 1}: {message}")


@dataclass(frozen=True, slots=True)
class _Literal:
    at: int
    value: Any


@dataclass(frozen=True, slots=True)
class _Result:
    at: int


@dataclass(frozen=True, slots=True)
class _Argument:
    at: int
    name: str


@dataclass(frozen=True, slots=True)
class _Item:
    at: int
    whole: "_Node"
    key: "_Node"


@dataclass(frozen=True, slots=True)
class _Prefix:
    at: int
    sign: str
    value: "_Node"


@dataclass(frozen=True, slots=True)
class _Infix:
    at: int
    sign: str
    left: "_Node"
    right: "_Node"


@dataclass(frozen=True, slots=True)
class _Choice:
    at: int
    condition: "_Node"
    chosen: "_Node"
    otherwise: "_Node"


@dataclass(frozen=True, slots=True)
class _Call:
    at: int
    function: str
    arguments: tuple["_Node", ...]


_Node: TypeAlias = _Literal | _Result | _Argument | _Item | _Prefix | _Infix | _Choice | _Call


@dataclass(frozen=True)
class ResultCondition:
    """A parsed condition.

    Attributes:
        arguments: names of the arguments that it uses.
        expects_missing: whether it says itself what an empty or undefined result means, with `len`,
            `isNaN` or `default`.
    """

    root: _Node
    arguments: frozenset[str]
    expects_missing: bool

    def holds(self, result: Any, arguments: Mapping[str, str]) -> bool:
        """Return whether the condition holds for a result; JSON, with numbers as in JSON.

        Raises:
            ConditionFailed: it has no answer, or one that is not true or false.
        """
        found = _one(_Evaluation(result, arguments).of(self.root))
        if isinstance(found, bool):
            return found
        raise ConditionFailed(self.root.at, f"expected true or false, found {_shown(found)}")


def parse_condition(text: str) -> ResultCondition:
    """Parse a condition.

    Raises:
        ConditionInvalid: it is not one.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionInvalid(
            MAX_LENGTH + 1, f"expected at most {MAX_LENGTH} characters, found {len(text)}"
        )
    parser = _Parser(list(_tokens(text)))
    return ResultCondition(
        parser.whole(), frozenset(parser.arguments), bool(parser.called & _EXPECT_MISSING)
    )


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

    def whole(self) -> _Node:
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

    def _built(self, node: _Node, *parts: _Node) -> _Node:
        """Bound the depth of what is built: the evaluation goes down as far."""
        depth = 1 + max((self._depth[id(part)] for part in parts), default=0)
        if depth > MAX_DEPTH:
            raise self._too_deep(node.at)
        self._depth[id(node)] = depth
        return node

    def _too_deep(self, at: int) -> ConditionInvalid:
        return ConditionInvalid(at + 1, f"more than {MAX_DEPTH} levels: write a shorter condition")

    def _expression(self, above: int) -> _Node:
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
                made: _Node = _Choice(at, left, chosen, otherwise)
                left = self._built(made, left, chosen, otherwise)
                continue
            binding = _BINDING.get(sign, 0)
            if binding <= above:
                break
            self._take()
            right = self._expression(binding)
            left = self._built(_Infix(at, sign, left, right), left, right)
        self._open -= 1
        return left

    def _operand(self) -> _Node:
        token = self._token
        match token.kind:
            case "number":
                self._take()
                return self._built(_Literal(token.at, float(token.text)))
            case "string":
                self._take()
                return self._built(_Literal(token.at, _unescaped(token.text[1:-1])))
            case "argument":
                self._take()
                self.arguments.add(token.text)
                return self._built(_Argument(token.at, token.text))
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
                return self._built(_Prefix(token.at, token.text, value), value)
        raise self._wrong("a value, such as result")

    def _word(self) -> _Node:
        token = self._take()
        if token.text == "result":
            return self._built(_Result(token.at))
        if token.text in _WORDS:
            return self._built(_Literal(token.at, _WORDS[token.text]))
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
        return self._built(_Call(token.at, token.text, tuple(arguments)), *arguments)

    def _postfix(self, node: _Node) -> _Node:
        while self._token.kind == "sign" and self._token.text in ("[", "."):
            opening = self._take()
            if opening.text == "[":
                key = self._expression(0)
                self._expect("]")
            else:
                if self._token.kind != "word":
                    raise self._wrong("the name of a field")
                name = self._take()
                key = self._built(_Literal(name.at, name.text))
            node = self._built(_Item(opening.at, node, key), node, key)
        return node


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)


class _Evaluation:
    def __init__(self, result: Any, arguments: Mapping[str, str]) -> None:
        self._result = result
        self._arguments = arguments

    def of(self, node: _Node) -> Any:
        match node:
            case _Literal():
                return node.value
            case _Result():
                return self._result
            case _Argument():
                return self._argument(node)
            case _Item():
                return self._item(node)
            case _Prefix():
                return self._prefix(node)
            case _Infix():
                return self._infix(node)
            case _Choice(at, condition, chosen, otherwise):
                return self.of(chosen if self._truth(at, self.of(condition)) else otherwise)
            case _Call():
                return self._call(node)

    def _prefix(self, node: _Prefix) -> bool | float:
        value = self.of(node.value)
        return not self._truth(node.at, value) if node.sign == "!" else -_number(node.at, value)

    def _argument(self, node: _Argument) -> Any:
        value = self._arguments.get(node.name)
        if value is None:
            raise ConditionFailed(node.at, f"the argument {node.name} has no value")
        try:
            return float(value)
        except ValueError:
            return value

    def _item(self, node: _Item) -> Any:
        whole, key = self.of(node.whole), self.of(node.key)
        if isinstance(whole, Mapping) and isinstance(key, str):
            return whole.get(key)
        if isinstance(whole, list | tuple) and isinstance(key, float) and key.is_integer():
            return whole[int(key)] if 0 <= key < len(whole) else None
        raise ConditionFailed(node.at, f"{_shown(whole)} has no {_shown(key)}")

    @staticmethod
    def _truth(at: int, value: Any) -> bool:
        found = _one(value)
        if isinstance(found, bool):
            return found
        raise ConditionFailed(at, f"expected true or false, found {_shown(found)}")

    def _infix(self, node: _Infix) -> Any:
        at, sign = node.at, node.sign
        left = self.of(node.left)
        if sign in ("&&", "||"):
            if self._truth(at, left) is (sign == "||"):
                return sign == "||"
            return self._truth(at, self.of(node.right))
        right = self.of(node.right)
        if sign in ("==", "!="):
            return _equal(left, right) is (sign == "==")
        left, right = _one(left), _one(right)
        texts = isinstance(left, str) and isinstance(right, str)
        if compare := _COMPARISONS.get(sign):
            if texts:
                return compare(left, right)
            return compare(_number(at, left), _number(at, right))
        if sign == "+" and texts:
            return left + right
        try:
            return _ARITHMETIC[sign](_number(at, left), _number(at, right))
        except ZeroDivisionError as error:
            raise ConditionFailed(at, "a division by zero") from error
        except ValueError as error:  # of fmod, for an infinite number or zero
            if isinstance(error, ConditionFailed):
                raise
            raise ConditionFailed(at, f"{sign} has no answer for these numbers") from error

    def _call(self, node: _Call) -> Any:
        first = self.of(node.arguments[0])
        match node.function:
            case "default":
                return self.of(node.arguments[1]) if is_missing(first) else first
            case "len" if isinstance(first, str | list | tuple | Mapping):
                return float(len(first))
            case "len":
                raise ConditionFailed(node.at, f"{_shown(first)} has no length")
            case "isNaN":
                return is_missing(first) or math.isnan(_number(node.at, first))
            case "isInf":
                return math.isinf(_number(node.at, first))
            case _:
                return abs(_number(node.at, first))


def is_missing(result: Any) -> bool:
    """Whether a result has no value: nothing, an empty list, or only numbers that are undefined."""
    if isinstance(result, list | tuple):
        return all(is_missing(each) for each in result[:MAX_LENGTH])
    return result is None or (isinstance(result, float) and math.isnan(result))


def _one(value: Any) -> Any:
    """Return the only value of a list of one."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _equal(left: Any, right: Any) -> bool:
    left, right = _one(left), _one(right)
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def _number(at: int, value: Any) -> float:
    found = _one(value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ConditionFailed(at, f"expected a number, found {_shown(found)}")
    try:
        return float(found)
    except OverflowError:
        return math.inf if found > 0 else -math.inf


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{abridged(value)}"'
        case Mapping():
            return "an object"
        case list() | tuple():
            return f"a list of {len(value)} values"
        case float():
            return f"{value:g}"
        case _:
            return abridged(str(type(value).__name__))
