"""Results against the outputSchema that a handler declares."""

from typing import TYPE_CHECKING, Any

import msgspec

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.result import REDACTED

if TYPE_CHECKING:
    from omnia_core.jsonschema import Schema, Violation


class OutputCheck:
    """Checks the results of one handler's tool; nothing without an outputSchema."""

    def __init__(self, handler: ToolHandler) -> None:
        """Take the schema; it is compiled with the first result."""
        self._handler = handler.name
        self._declared = handler.tool.output_schema if handler.tool else None
        self._redact = frozenset(handler.http_config.redact if handler.http_config else ())
        self._schema: Schema | None = None

    def check(self, result: ToolResult) -> None:
        """Check a result that is no error.

        Raises:
            ToolFailed: it is not what the handler declares; the message says where.
        """
        if self._declared is None or result.is_error:
            return
        value = _value(result.content)
        wrong = [
            each
            for each in self._compiled(self._declared).violations(value)
            if not self._is_redacted(each, value)
        ]
        if wrong:
            raise ToolFailed(
                f'the answer of handler "{self._handler}" does not fit its outputSchema: '
                + "; ".join(map(str, wrong))
            )

    def _compiled(self, declared: dict[str, Any]) -> "Schema":
        if self._schema is None:
            # as for arguments: 5 MB that a pod saves whose tools are not called
            from omnia_core.jsonschema import SchemaInvalid, compile_schema  # noqa: PLC0415 - above

            try:
                self._schema = compile_schema(declared)
            except SchemaInvalid as error:
                raise ToolFailed(
                    f'the outputSchema of handler "{self._handler}" does not compile: {error}'
                ) from error
        return self._schema

    def _is_redacted(self, violation: "Violation", value: Any) -> bool:
        """Whether a value differs only because the model does not see it."""
        if not self._redact:
            return False
        for part in violation.pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            value = value[int(key)] if isinstance(value, list) else value[key]
        return bool(value == REDACTED)


def _value(content: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return content
