"""Cross-field rules: stated once, enforced by the API server as CEL and by this package as a
predicate.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

OwnerT = TypeVar("OwnerT")


@dataclass(frozen=True)
class CelRule(Generic[OwnerT]):
    """A condition that an object has to meet."""

    message: str
    """What was expected, and what to do."""
    cel: str | None
    """The condition in CEL over `self`; None when CEL cannot see the fields that it is about."""
    at: tuple[str, ...]
    """Where a violation is shown: field names below the object that has the rule."""
    holds: Callable[[OwnerT], bool]

    def render(self) -> dict[str, Any]:
        """Return the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        if not self.at or self.at[0] == "metadata":  # a fieldPath has to lead to a declared field
            return entry
        return {**entry, "fieldPath": "".join(f".{name}" for name in self.at)}


def rule(
    message: str, *, cel: str | None, at: str = ""
) -> Callable[[Callable[[OwnerT], bool]], CelRule[OwnerT]]:
    """Declare the method below as the predicate of a rule; `at` is a dotted path of field names."""
    path = tuple(at.split(".")) if at else ()

    def declare(holds: Callable[[OwnerT], bool]) -> CelRule[OwnerT]:
        return CelRule(message=message, cel=cel, at=path, holds=holds)

    return declare


@functools.cache
def rules_of(model: type[BaseModel]) -> tuple[CelRule[Any], ...]:
    """Return the rules of a model, inherited ones first."""
    members = (member for base in reversed(model.__mro__) for member in vars(base).values())
    return tuple(member for member in members if isinstance(member, CelRule))


def violations(
    model: BaseModel, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and message of every rule that `model` or an object inside it breaks."""
    for each in rules_of(type(model)):
        if not each.holds(model):
            yield (*path, *each.at), each.message
    for name, field in type(model).model_fields.items():
        where = (*path, field.alias or name)
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from violations(value, where)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from violations(item, (*where, index))
