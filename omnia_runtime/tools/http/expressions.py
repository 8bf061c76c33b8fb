"""JMESPath expressions of handlers."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult


class ExpressionFailed(Exception):
    """An expression does not apply to a value; the message says why."""


def check_expression(expression: str | None, field: str) -> None:
    """Compile an expression, so that an invalid one is found before it is used.

    Raises:
        ValueError: it is not valid JMESPath; the message begins with `field`.
    """
    if expression is None:
        return
    import jmespath.exceptions  # noqa: PLC0415 - loaded when a handler has an expression

    try:
        _compiled(expression)
    except jmespath.exceptions.JMESPathError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{field} is not a JMESPath expression: {reason}") from error


def apply_expression(expression: str, value: Any) -> Any:
    """Apply an expression to a value (parsed JSON).

    Raises:
        ExpressionFailed: a function of the expression does not accept what the value contains.
    """
    import jmespath.exceptions  # noqa: PLC0415 - as above

    try:
        return _compiled(expression).search(value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError) as error:
        raise ExpressionFailed(" ".join(str(error).split())) from error


@lru_cache(maxsize=256)
def _compiled(expression: str) -> "ParsedResult":
    import jmespath  # noqa: PLC0415 - as above

    return jmespath.compile(expression)
