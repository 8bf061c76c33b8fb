"""Cross-field rules in CEL: the API server evaluates them from the CRD, this package by itself."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel

from omnia_core.units import ByteSize, Duration

if TYPE_CHECKING:
    from cel_expr_python import cel

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class CelRule:
    """A condition that an object has to meet."""

    message: str
    """What was expected, and what to do."""
    cel: str
    """The condition in CEL over `self`."""
    at: tuple[str, ...]
    """Where a violation is shown: field names below the object that has the rule."""

    def render(self) -> dict[str, Any]:
        """Return the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        if not self.at or self.at[0] == "metadata":  # a fieldPath must lead to a declared field
            return entry
        return {**entry, "fieldPath": "".join(f".{name}" for name in self.at)}


def rule(message: str, *, cel: str, at: str = "") -> CelRule:
    """Return a rule; `at` is a dotted path of field names."""
    return CelRule(message, cel, tuple(at.split(".")) if at else ())


@functools.cache
def rules_of(model: type[BaseModel]) -> tuple[CelRule, ...]:
    """Return the rules of a model, inherited ones first."""
    members = (member for base in reversed(model.__mro__) for member in vars(base).values())
    return tuple(member for member in members if isinstance(member, CelRule))


def violations(model: BaseModel) -> Iterator[tuple[Path, str]]:
    """Yield path and message of every rule that `model` or an object inside it breaks."""
    yield from _violations(model, _cel_value(model), ())


def _violations(model: BaseModel, value: dict[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    rules = rules_of(type(model))
    if rules:
        activation = _environment().Activation({"self": value})
        for own in rules:
            # An error of the evaluation is a violation, as in the API server.
            if _compiled(own.cel).eval(activation).value() is not True:
                yield (*path, *own.at), own.message
    for name, field in type(model).model_fields.items():
        alias, inner = field.alias or name, getattr(model, name)
        if isinstance(inner, BaseModel):
            yield from _violations(inner, value[alias], (*path, alias))
        elif isinstance(inner, tuple):
            for index, item in enumerate(inner):
                if isinstance(item, BaseModel):
                    yield from _violations(item, value[alias][index], (*path, alias, index))


@functools.cache
def _environment() -> "cel.Env":
    from cel_expr_python import cel  # noqa: PLC0415 - loaded only when a resource is checked

    return cel.NewEnv(variables={"self": cel.Type.DYN})


@functools.cache
def _compiled(expression: str) -> "cel.Expression":
    return _environment().compile(expression)


def _cel_value(value: Any) -> Any:
    """Return a value as the rules see it in the API server, where an empty default is absent."""
    match value:
        case BaseModel():
            fields = type(value).model_fields
            present = (
                (field.alias or name, getattr(value, name)) for name, field in fields.items()
            )
            return {name: _cel_value(inner) for name, inner in present if inner not in (None, ())}
        case tuple():
            return [_cel_value(item) for item in value]
        case dict():
            # Rules see nothing of an object without a schema.
            return {name: inner for name, inner in value.items() if isinstance(inner, str)}
        case Enum():
            return value.value
        case Duration() | ByteSize():
            return str(value)
        case _:
            return value
