"""Checks the output of a function against its schema, and asks the model to repair it."""

import re
from typing import TYPE_CHECKING

import orjson

from omnia_core.files.function import FunctionFile
from omnia_runtime.ports.model import OutputSchema

if TYPE_CHECKING:
    from omnia_core.jsonschema import Schema

_FENCE = re.compile(r"\s*```[A-Za-z]*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_MAX_VIOLATIONS = 5


class StructuredOutput:
    """The output schema of a function, compiled when the first answer is checked.

    Attributes:
        schema: the schema for the provider.
    """

    def __init__(self, function: FunctionFile) -> None:
        self.schema = OutputSchema(function.name, function.output_schema)
        self._compiled: Schema | None = None

    def fault(self, text: str) -> str:
        """Return what is wrong with an answer; "" if it is valid.

        Raises:
            SchemaInvalid: the function's own schema is invalid.
        """
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return f"it is not JSON ({error})"
        return "; ".join(map(str, self._schema().violations(value, limit=_MAX_VIOLATIONS)))

    def _schema(self) -> "Schema":
        if self._compiled is None:
            # Imported with the first answer, to save the memory of an idle pod.
            from omnia_core.jsonschema import compile_schema  # noqa: PLC0415 - as above

            self._compiled = compile_schema(self.schema.schema)
        return self._compiled


def strip_code_fence(text: str) -> str:
    """Return the content of a code fence, if the text is nothing but a code fence."""
    found = _FENCE.fullmatch(text)
    return found[1] if found else text


def repair_request(fault: str) -> str:
    """Return the message that asks the model for a valid answer."""
    return (
        f"Your answer does not have the required shape: {fault}. Answer again with the corrected "
        "JSON value alone, without any other text."
    )
