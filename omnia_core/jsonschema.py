"""JSON Schema (draft 2020-12): compiled schemas that list violations with JSON pointers."""

from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from omnia_core.jsonvalue import JsonObject


@dataclass(frozen=True, slots=True)
class Violation:
    """A difference between a value and its schema.

    Attributes:
        pointer: the place in the value (RFC 6901); "" for the value itself.
        message: what was expected and found.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(root)'}: {self.message}"


class SchemaInvalid(ValueError):
    """A schema that does not compile.

    Attributes:
        pointer: the place in the schema (RFC 6901).
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or '(root)'}: {message}")
        self.pointer = pointer


class Schema:
    """A compiled schema."""

    def __init__(self, validator: jsonschema_rs.Draft202012Validator) -> None:
        self._validator = validator

    def accepts(self, value: Any) -> bool:
        """Whether `value` (parsed JSON) satisfies the schema."""
        return self._validator.is_valid(value)

    def violations(self, value: Any, *, limit: int = 20) -> list[Violation]:
        """List at most `limit` violations of `value` (parsed JSON), in document order."""
        found = []
        for error in self._validator.iter_errors(value):
            found.append(Violation(_pointer(error.instance_path), error.message))
            if len(found) == limit:
                break
        return found


def compile_schema(schema: JsonObject | bool) -> Schema:
    """Compile a schema. References to other documents are refused, never fetched.

    Raises:
        SchemaInvalid: the schema is invalid; the error has the place.
    """
    try:
        # `format` is an assertion here: authors who write `format: email` expect a check.
        return Schema(
            jsonschema_rs.Draft202012Validator(
                schema, validate_formats=True, retriever=_refuse_to_fetch
            )
        )
    except jsonschema_rs.ValidationError as error:
        raise SchemaInvalid(_pointer(error.instance_path), error.message) from error
    except (jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise SchemaInvalid("", str(error)) from error


def _refuse_to_fetch(uri: str) -> JsonObject:
    raise ValueError(f'the reference "{uri}" leads to another document: put it under "$defs"')


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
