"""A function: check the input, ask the runtime, check the output."""

import time
from typing import Any

import orjson
import structlog

from omnia_core.errors import Code, ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.jsonschema import Schema, SchemaInvalid, Violation, compile_schema
from omnia_core.jsonvalue import JsonObject
from omnia_core.telemetry.tracing import current_span, names
from omnia_facade.functions.call import Call, Outcome, failed, succeeded
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

    def checked_input(self, body: bytes) -> str:
        """Return the input as JSON text.

        Raises:
            FunctionFailed: it is not JSON, or breaks its schema.
        """
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

    async def run(self, input_json: str, call: Call) -> Outcome:
        """Answer a call whose input is good; what fails then is an outcome too."""
        began = time.perf_counter()
        try:
            invocation = await self._invoke(input_json, call)
            answer: JsonObject = {
                "output": self._checked_output(invocation.output_json),
                "invocation_id": call.invocation_id,
                "duration_ms": round((time.perf_counter() - began) * 1000),
            }
        except FunctionFailed as why:
            return failed(call, why)
        if invocation.usage:
            span = current_span()
            span.set_attribute(names.INPUT_TOKENS, invocation.usage.input_tokens)
            span.set_attribute(names.OUTPUT_TOKENS, invocation.usage.output_tokens)
            span.set_attribute(names.OMNIA_COST, invocation.usage.cost_usd)
            answer["usage"] = {
                "input_tokens": invocation.usage.input_tokens,
                "output_tokens": invocation.usage.output_tokens,
                "cost_usd": invocation.usage.cost_usd,
            }
        return succeeded(call, answer)

    async def _invoke(self, input_json: str, call: Call) -> Invocation:
        try:
            return await self._client.invoke(
                input_json, call.invocation_id, call.caller, seconds=call.seconds
            )
        except RuntimeFailed as why:
            _log.warning("invocation failed", invocation_id=call.invocation_id, reason=why.message)
            raise FunctionFailed(FunctionErrorCode.RUNTIME_ERROR, _told(why, call)) from why

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


def _told(why: RuntimeFailed, call: Call) -> str:
    """Say what a caller may know of a runtime's failure."""
    if why.unreachable:
        return "the runtime cannot be reached"
    if why.code is Code.DEADLINE_EXCEEDED:
        return f"the runtime did not answer within {call.seconds:g} s"
    return f"the runtime failed; its log and the facade's name invocation {call.invocation_id}"


def _violations(schema: Schema, value: Any) -> str:
    if schema.accepts(value):
        return ""
    found: list[Violation] = schema.violations(value)
    return "; ".join(str(violation) for violation in found)
