"""Small faults, made one at a time in the text of a module."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
# A changed word of a message is noticed by few tests, and rightly so.
_WORD_WEIGHT = 0.12
# What no behaviour depends on: logs, the layout of classes, checks of what holds anyway, and the
# encoding of files, which is the default where the tests run.
_IGNORED_CALLS = ("_log.", "dataclass", "warnings.", "TypeVar", "NewType")
_IGNORED_KEYWORDS = {"encoding", "strict", "slots", "stacklevel", "exc_info"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault in one module."""

    path: str
    line: int
    kind: str
    before: str
    after: str
    start: int
    """Offset in bytes of the text that is replaced."""
    end: int
    weight: float = 1.0

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        before, after = (" ".join(text.split())[:90] for text in (self.before, self.after))
        return f"{self.path}:{self.line} {self.kind}: {before} -> {after}"


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Return every mutant of a module whose text is still Python."""
    return [each for each in _Finder(path, source).find() if _compiles(each.apply(source))]


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Draw without putting back, by weight."""
    draw = random.Random(seed)  # noqa: S311 - a sample, no secret
    keyed = sorted(mutants, key=lambda each: draw.random() ** (1 / each.weight), reverse=True)
    return sorted(keyed[:count], key=lambda each: (each.path, each.start))


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


class _Finder:
    """Walks a module, and leaves out annotations, docstrings and what _IGNORED names."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def find(self) -> Iterator[Mutant]:
        yield from self._visit(ast.parse(self._source))

    def _visit(self, node: ast.AST) -> Iterator[Mutant]:
        if not _is_ignored(node):
            yield from self._own(node)
            for child in _parts(node):
                yield from self._visit(child)

    def _own(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.expr():
                yield from self._expression(node)
            case ast.stmt():
                yield from self._statement(node)
            case ast.ExceptHandler(type=ast.expr() as kinds):
                yield self._put("except removed", kinds, "()")
            case _:
                pass

    def _statement(self, node: ast.stmt) -> Iterator[Mutant]:
        match node:
            case ast.If(test=test) | ast.While(test=test):
                yield from self._negated(test)
            case ast.Raise() | ast.Delete() | ast.AugAssign():
                yield self._put("statement removed", node, "pass")
            case ast.Expr(value=ast.Call() | ast.Await()):
                if not self._text(node).removeprefix("await ").startswith(_IGNORED_CALLS):
                    yield self._put("statement removed", node, "pass")
            case ast.Return(value=ast.expr() as value) if not _is_falsy(value):
                yield self._put("return", value, "None")
            case _:
                pass

    def _expression(self, node: ast.expr) -> Iterator[Mutant]:
        match node:
            case ast.Compare(ops=[operator], left=left, comparators=[right]):
                changed = f"{self._text(left)} {_COMPARISONS[type(operator)]} {self._text(right)}"
                yield self._put("comparison", node, f"({changed})")
            case ast.BoolOp():
                yield from self._boolean(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield self._put("negation", node, f"({self._text(operand)})")
            case ast.IfExp(test=test):
                yield from self._negated(test)
            case ast.Constant():
                yield from self._constant(node)
            case ast.Slice(lower=lower, upper=upper):
                for bound in filter(None, (lower, upper)):
                    yield self._put("slice", bound, "None")
            case ast.Call():
                yield from self._call(node)
            case _:
                pass

    def _negated(self, test: ast.expr) -> Iterator[Mutant]:
        # The others have mutants of their own that say the same.
        if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield self._put("negation", test, f"(not ({self._text(test)}))")

    def _boolean(self, node: ast.BoolOp) -> Iterator[Mutant]:
        word, other = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
        operands = [f"({self._text(each)})" for each in node.values]
        yield self._put("and/or", node, f"({other.join(operands)})")
        for index in range(len(operands)):
            rest = operands[:index] + operands[index + 1 :]
            yield self._put("operand removed", node, f"({word.join(rest)})")

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        match node.value:
            case bool(value):
                yield self._put("constant", node, str(not value))
            case int(value):
                for changed in (value + 1, value - 1):
                    yield self._put("constant", node, f"({changed})", 0.5)
            case float(value):
                yield self._put("constant", node, repr(value * 1.5 or 1.0))
            case str(value) if value:
                yield self._put("text", node, repr(f"XX{value}"), _WORD_WEIGHT)

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        for keyword in node.keywords:
            if keyword.arg and keyword.arg not in _IGNORED_KEYWORDS:
                yield self._without(node, keyword)
        match node:
            case ast.Call(func=ast.Name(id="min" | "max" as name)):
                yield self._put("min/max", node.func, "max" if name == "min" else "min")
            case ast.Call(args=[ast.expr() as first, ast.expr() as second], keywords=[]) if (
                self._text(first) != self._text(second)
            ):
                swapped = f"{self._text(node.func)}({self._text(second)}, {self._text(first)})"
                yield self._put("arguments swapped", node, swapped)
            case _:
                pass

    def _without(self, node: ast.Call, keyword: ast.keyword) -> Mutant:
        arguments = [
            self._text(each) for each in (*node.args, *node.keywords) if each is not keyword
        ]
        kind = f"keyword {keyword.arg} removed"
        return self._put(kind, node, f"{self._text(node.func)}({', '.join(arguments)})")

    def _put(self, kind: str, node: ast.AST, after: str, weight: float = 1.0) -> Mutant:
        start, end = self._span(node)
        before = self._source[start:end].decode()
        line = getattr(node, "lineno", 0)
        return Mutant(self._path, line, kind, before, after, start, end, weight)

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
        assert node.end_lineno is not None and node.end_col_offset is not None  # noqa: PT018
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )


def _is_ignored(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=function):
            return ast.unparse(function).startswith(_IGNORED_CALLS)
        case ast.keyword(arg=name):
            return name in _IGNORED_KEYWORDS
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
        case _:
            return False


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node that are tried: no annotation, docstring or layout of a class."""
    match node:
        case ast.JoinedStr(values=values):
            yield from (each.value for each in values if isinstance(each, ast.FormattedValue))
            return
        case ast.ClassDef(body=body):
            yield from (each for each in body if not _is_text_alone(each))
            return
        case _:
            pass
    for name, value in ast.iter_fields(node):
        if name not in {"annotation", "returns", "type_params"}:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_text_alone(child):
                    yield child


def _is_text_alone(node: ast.AST) -> bool:
    """Whether a statement is a docstring or the description of a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_falsy(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value
