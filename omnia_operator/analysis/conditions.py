"""Conditions over a measured value, such as `result[0] < 0.05 && !isNaN(result[0])`.

The syntax is the part of github.com/expr-lang/expr that Argo Rollouts' users write: numbers,
strings, `true`, `false`, `nil`, `result`, `a[0]`, `a.b`, `{{args.name}}`, `+ - * / %`, comparisons,
`&& || !`, `a ? b : c`, and the functions `len`, `isNaN`, `isInf`, `default` and `abs`. A list of
one value compares as that value. Nothing else can be called or read, and every text ends: length
and depth are bounded, and there are no loops.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omnia_core.errors import abridged
from omnia_operator.analysis.expression import (
    MAX_LENGTH,
    ArgumentNode,
    CallNode,
    ChoiceNode,
    InfixNode,
    ItemNode,
    LiteralNode,
    Node,
    PrefixNode,
    ResultNode,
    parse_expression,
)

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
_EXPECT_MISSING = frozenset({"len", "isNaN", "default"})


class ConditionFailed(ValueError):
    """A condition has no answer for a value; the message has the column and says why."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(f"column {at + 1}: {message}")


@dataclass(frozen=True)
class ResultCondition:
    """A parsed condition.

    Attributes:
        arguments: names of the arguments that it uses.
        expects_missing: whether it says itself what an empty or undefined result means, with `len`,
            `isNaN` or `default`.
    """

    root: Node
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
    parsed = parse_expression(text)
    expects_missing = bool(parsed.functions & _EXPECT_MISSING)
    return ResultCondition(parsed.root, parsed.arguments, expects_missing)


class _Evaluation:
    def __init__(self, result: Any, arguments: Mapping[str, str]) -> None:
        self._result = result
        self._arguments = arguments

    def of(self, node: Node) -> Any:
        match node:
            case LiteralNode():
                return node.value
            case ResultNode():
                return self._result
            case ArgumentNode():
                return self._argument(node)
            case ItemNode():
                return self._item(node)
            case PrefixNode():
                return self._prefix(node)
            case InfixNode():
                return self._infix(node)
            case ChoiceNode(at, condition, chosen, otherwise):
                return self.of(chosen if self._truth(at, self.of(condition)) else otherwise)
            case CallNode():
                return self._call(node)

    def _prefix(self, node: PrefixNode) -> bool | float:
        value = self.of(node.value)
        return not self._truth(node.at, value) if node.sign == "!" else -_number(node.at, value)

    def _argument(self, node: ArgumentNode) -> Any:
        value = self._arguments.get(node.name)
        if value is None:
            raise ConditionFailed(node.at, f"the argument {node.name} has no value")
        try:
            return float(value)
        except ValueError:
            return value

    def _item(self, node: ItemNode) -> Any:
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

    def _infix(self, node: InfixNode) -> Any:
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

    def _call(self, node: CallNode) -> Any:
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
