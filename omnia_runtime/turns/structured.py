"""The answer of a function: whether it has the shape that was asked for, and what to say if not."""

import re
from typing import TYPE_CHECKING

import orjson

from omnia_core.files.function import FunctionFile
from omnia_runtime.ports.model import OutputSchema

if TYPE_CHECKING:
    from omnia_core.jsonschema import Schema

_FENCE = re.compile(r"\s*```[A-Za-z]*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_SHOWN = 5


class StructuredOutput:
    """The output of one function.

    Attributes:
        schema: as a provider is told.
    """

    def __init__(self, function: FunctionFile) -> None:
        self.schema = OutputSchema(function.name, function.output_schema)
        self._compiled: Schema | None = None

    def fault(self, text: str) -> str:
        """Say what is wrong with an answer, "" when nothing is.

        Raises:
            SchemaInvalid: the function's own schema does not compile.
        """
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return f"it is not JSON ({error})"
        return "; ".join(map(str, self._schema().violations(value, limit=_SHOWN)))

    def _schema(self) -> "Schema":
        if self._compiled is None:
            # with the first answer: an idle pod does not pay for it
            from omnia_core.jsonschema import compile_schema  # noqa: PLC0415 - as above

            self._compiled = compile_schema(self.schema.schema)
        return self._compiled


def unwrapped(text: str) -> str:
    """Return the JSON inside a code fence, where an answer is nothing but that."""
    found = _FENCE.fullmatch(text)
    return found[1] if found else text


def repair_request(fault: str) -> str:
    """Return what a model is told whose answer does not fit."""
    return (
        f"Your answer does not have the required shape: {fault}. Answer again with the corrected "
        "JSON value alone, without any other text."
    )
