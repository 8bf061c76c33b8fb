"""A function: check the input, ask the runtime, check the output."""

import time
import uuid
from typing import Any

import orjson
import structlog

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.jsonschema import Schema, SchemaInvalid, Violation, compile_schema
from omnia_core.jsonvalue import JsonObject
from omnia_core.telemetry.tracing import current_span, names
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.runtime_client.port import Invocation, RuntimeClient, RuntimeFailed

_log = structlog.get_logger()


class Function:
    """The function of this agent."""

    def __init__(self, file: FunctionFile, client: RuntimeClient) -> None:
        """Compile the schemas.

        Raises:
            ConfigurationError: names the schema and the place in it.
        """
        self.name = file.name.lower()
        self._input = _compile(file.input_schema, "inputSchema")
        self._output = _compile(file.output_schema, "outputSchema")
        self._client = client

    async def call(self, body: bytes, caller: Principal) -> JsonObject:
        """Answer one call.

        Raises:
            FunctionFailed: the input, the runtime or the output is at fault.
        """
        began = time.perf_counter()
        invocation_id = str(uuid.uuid4())
        span = current_span()
        span.note(names.OMNIA_INVOCATION, invocation_id)
        input_json = self._checked_input(body)
        invocation = await self._invoke(input_json, invocation_id, caller)
        answer: JsonObject = {
            "output": self._checked_output(invocation.output_json),
            "invocation_id": invocation_id,
            "duration_ms": round((time.perf_counter() - began) * 1000),
        }
        if invocation.usage:
            span.note(names.INPUT_TOKENS, invocation.usage.input_tokens)
            span.note(names.OUTPUT_TOKENS, invocation.usage.output_tokens)
            span.note(names.OMNIA_COST, invocation.usage.cost_usd)
            answer["usage"] = {
                "input_tokens": invocation.usage.input_tokens,
                "output_tokens": invocation.usage.output_tokens,
                "cost_usd": invocation.usage.cost_usd,
            }
        return answer

    def _checked_input(self, body: bytes) -> str:
        try:
            value = orjson.loads(body)
        except ValueError as error:
            raise FunctionFailed(
                FunctionErrorCode.INPUT_INVALID, f"the body is not JSON: {error}"
            ) from error
        violations = _violations(self._input, value)
        if violations:
            raise FunctionFailed(FunctionErrorCode.INPUT_INVALID, violations)
        # What was checked is what is sent: a repeated key has one meaning from here on.
        return orjson.dumps(value).decode()

    async def _invoke(self, input_json: str, invocation_id: str, caller: Principal) -> Invocation:
        try:
            return await self._client.invoke(input_json, invocation_id, caller)
        except RuntimeFailed as failed:
            _log.warning("invocation failed", invocation_id=invocation_id, reason=failed.message)
            detail = (
                "the runtime cannot be reached"
                if failed.unreachable
                else f"the runtime failed; its log and the facade's name invocation {invocation_id}"
            )
            raise FunctionFailed(FunctionErrorCode.RUNTIME_ERROR, detail) from failed

    def _checked_output(self, output_json: str) -> Any:
        try:
            value = orjson.loads(output_json)
        except ValueError as error:
            raise FunctionFailed(
                FunctionErrorCode.OUTPUT_INVALID,
                f"the output is not JSON: {error}",
                raw_output=output_json,
            ) from error
        violations = _violations(self._output, value)
        if violations:
            raise FunctionFailed(FunctionErrorCode.OUTPUT_INVALID, violations, raw_output=value)
        return value


def _compile(schema: JsonObject, name: str) -> Schema:
    try:
        return compile_schema(schema)
    except SchemaInvalid as error:
        raise ConfigurationError(f"{name} does not compile: {error}") from error


def _violations(schema: Schema, value: Any) -> str:
    if schema.accepts(value):
        return ""
    found: list[Violation] = schema.violations(value)
    return "; ".join(str(violation) for violation in found)
