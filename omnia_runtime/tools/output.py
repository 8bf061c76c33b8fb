"""Results of tools: checked against the handler's outputSchema, with redacted fields."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import check_depth
from omnia_runtime.ports.tools import ToolFailed

if TYPE_CHECKING:
    from omnia_core.jsonschema import Schema, Violation

REDACTED = "[REDACTED]"

_log = structlog.get_logger()


class OutputCheck:
    """Checks the results of one handler's tool, if the handler has an outputSchema."""

    def __init__(self, handler: ToolHandler) -> None:
        """Read the schema; it is compiled with the first result."""
        self._handler = handler.name
        self._declared = handler.tool.output_schema if handler.tool else None
        self._redact = frozenset(handler.http_config.redact if handler.http_config else ())
        self._schema: Schema | None = None

    def check(self, result: ToolResult) -> None:
        """Check a result, unless it is an error.

        Raises:
            ToolFailed: it does not match the schema; the message says where.
        """
        if self._declared is None or result.is_error:
            return
        value = _value(result.content)
        violations = [
            violation
            for violation in self._compiled(self._declared).violations(value)
            if not self._is_redacted(violation, value)
        ]
        if violations:
            raise ToolFailed(
                f'the answer of handler "{self._handler}" does not fit its outputSchema: '
                + "; ".join(map(str, violations))
            )

    def _compiled(self, declared: dict[str, Any]) -> "Schema":
        if self._schema is None:
            # As for arguments: saves 5 MB in a pod whose tools are not called.
            from omnia_core.jsonschema import compile_server_schema  # noqa: PLC0415 - above

            self._schema, skipped = compile_server_schema(declared)
            if skipped:
                _log.warning(
                    "the outputSchema of a handler does not compile and is not checked there",
                    handler=self._handler,
                    places="; ".join(skipped),
                )
        return self._schema

    def _is_redacted(self, violation: "Violation", value: Any) -> bool:
        """Whether a value violates the schema only because it is redacted."""
        if not self._redact:
            return False
        for part in violation.pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            value = value[int(key)] if isinstance(value, list) else value[key]
        return bool(value == REDACTED)


def redacted(value: Any, names: Collection[str]) -> Any:
    """Return parsed JSON with the values of the named fields replaced, at any depth."""
    if isinstance(value, dict):
        return {
            key: REDACTED if key in names else redacted(field, names)
            for key, field in value.items()
        }
    return [redacted(item, names) for item in value] if isinstance(value, list) else value


def _value(content: str) -> Any:
    try:
        check_depth(content)
        return msgspec.json.decode(content)
    except ValueError:
        return content
