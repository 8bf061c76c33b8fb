"""JMESPath expressions of handlers."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult


class MappingFailed(Exception):
    """An expression does not fit the value; the message says why."""


def check_expression(expression: str | None, field: str) -> None:
    """Compile an expression, so that a wrong one is named before it is used.

    Raises:
        ValueError: it is no JMESPath; the message begins with `field`.
    """
    if expression is None:
        return
    import jmespath.exceptions  # noqa: PLC0415 - loaded when a handler has an expression

    try:
        _compiled(expression)
    except jmespath.exceptions.JMESPathError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{field} is no JMESPath expression: {said}") from error


def apply_expression(expression: str, value: Any) -> Any:
    """Return what an expression makes of a value (parsed JSON).

    Raises:
        MappingFailed: a function of the expression does not take what the value holds.
    """
    import jmespath.exceptions  # noqa: PLC0415 - as above

    try:
        return _compiled(expression).search(value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError) as error:
        raise MappingFailed(" ".join(str(error).split())) from error


@lru_cache(maxsize=256)
def _compiled(expression: str) -> "ParsedResult":
    import jmespath  # noqa: PLC0415 - as above

    return jmespath.compile(expression)
