"""A function of an agent: check the input, invoke the runtime, check the output."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import structlog
from msgspec import Struct

from omnia_core.conversation.budget import reset_of, retry_after
from omnia_core.errors import Code, ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.jsonschema import Schema, SchemaInvalid, Violation, compile_schema
from omnia_core.jsonvalue import JsonObject, TooDeep, json_bytes, parse_json
from omnia_core.telemetry.tracing import current_span, names
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import MAX_RAW_OUTPUT, FunctionErrorCode, FunctionFailed
from omnia_facade.runtime_client.port import Invocation, RuntimeClient, RuntimeFailed

_log = structlog.get_logger()


class FunctionInvocation(Struct, frozen=True):
    """One call.

    Attributes:
        invocation_id: a UUID; the logs of facade and runtime name it.
        seconds: the runtime's deadline.
        key: the caller's Idempotency-Key; a call that is repeated with it is answered once.
    """

    invocation_id: str
    caller: Principal
    seconds: float
    key: str | None = None


class FunctionAnswer(Struct, frozen=True):
    """The answer of a successful call.

    Attributes:
        invocation_id: of the call that was answered first, if this is its repetition.
        body: JSON.
        replayed: whether this is the answer of an earlier call.
    """

    invocation_id: str
    body: bytes
    replayed: bool = False


class Idempotency(Protocol):
    """Answers a repeated call once."""

    async def answer(
        self,
        input_json: str,
        call: FunctionInvocation,
        run: Callable[[], Awaitable[FunctionAnswer]],
    ) -> FunctionAnswer:
        """Run the call; one with a key that was completed before is answered as it was then.

        Raises:
            FunctionFailed: the call failed, now or then, or its key cannot be used.
        """


class InputRecords(Protocol):
    """Records inputs that are refused before the runtime is called."""

    def add(self, invocation_id: str, user_id: str, body: bytes, reason: str, began: float) -> None:
        """Record an input. `reason` contains no content of it; `began` is `time.monotonic`."""


class Function:
    """The function of this agent."""

    def __init__(
        self,
        file: FunctionFile,
        client: RuntimeClient,
        idempotency: Idempotency,
        refused: InputRecords | None = None,
    ) -> None:
        """Compile the schemas; `refused` is None if nothing records calls.

        Raises:
            ConfigurationError: names the schema and the place in it.
        """
        self.file = file
        self.name = file.name.lower()
        self._input = _compile(file.input_schema, "inputSchema")
        self._output = _compile(file.output_schema, "outputSchema")
        self._client = client
        self._idempotency = idempotency
        self._refused = refused

    def variant_of(self, call: FunctionInvocation) -> str:
        """Return the side of a rollout on which a call is placed."""
        return self._client.variant_of(call.invocation_id, call.caller)

    async def run(self, body: bytes, call: FunctionInvocation) -> FunctionAnswer:
        """Check the input, invoke the runtime, check the output.

        Raises:
            FunctionFailed: the input is invalid, the runtime failed, its output is invalid, or the
                Idempotency-Key cannot be used.
        """
        input_json = self._checked_input(body, call)
        return await self._idempotency.answer(
            input_json, call, partial(self._answer, input_json, call)
        )

    async def _answer(self, input_json: str, call: FunctionInvocation) -> FunctionAnswer:
        began = time.perf_counter()
        invocation = await self._invoke(input_json, call)
        answer: JsonObject = {
            "output": self._checked_output(invocation.output_json),
            "invocation_id": call.invocation_id,
            "duration_ms": round((time.perf_counter() - began) * 1000),
        }
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
        return FunctionAnswer(call.invocation_id, json_bytes(answer))

    def _checked_input(self, body: bytes, call: FunctionInvocation) -> str:
        """Return the input as JSON text."""
        began = time.monotonic()
        try:
            value = parse_json(body)
        except ValueError as error:
            wrong = "nested too deeply" if isinstance(error, TooDeep) else "not JSON"
            self._record(body, call, f"the body is {wrong}", began)
            raise FunctionFailed(FunctionErrorCode.INPUT_INVALID, f"the body is {error}") from error
        violations = _violations(self._input, value)
        if violations:
            places = ", ".join(violation.pointer or "(root)" for violation in violations)
            self._record(body, call, f"violates inputSchema at {places}", began)
            raise FunctionFailed(FunctionErrorCode.INPUT_INVALID, "; ".join(map(str, violations)))
        # The checked value is sent, not the body: a repeated key has one meaning from here on.
        return json_bytes(value).decode()

    def _record(self, body: bytes, call: FunctionInvocation, reason: str, began: float) -> None:
        if self._refused:
            self._refused.add(call.invocation_id, call.caller.user_id, body, reason, began)

    async def _invoke(self, input_json: str, call: FunctionInvocation) -> Invocation:
        try:
            return await self._client.invoke(
                input_json, call.invocation_id, call.caller, seconds=call.seconds
            )
        except RuntimeFailed as failure:
            _log.warning(
                "invocation failed", invocation_id=call.invocation_id, reason=failure.message
            )
            if failure.code is Code.RESOURCE_EXHAUSTED and reset_of(failure.message):
                raise _budget_exceeded(failure) from failure
            detail = _public_detail(failure, call)
            raise FunctionFailed(FunctionErrorCode.RUNTIME_ERROR, detail) from failure

    def _checked_output(self, output_json: str) -> Any:
        try:
            value = parse_json(output_json.encode())
        except ValueError as error:
            raise FunctionFailed(
                FunctionErrorCode.OUTPUT_INVALID,
                f"the output is {error}",
                **_raw_output(output_json, output_json),
            ) from error
        violations = _violations(self._output, value)
        if violations:
            detail = "; ".join(map(str, violations))
            raise FunctionFailed(
                FunctionErrorCode.OUTPUT_INVALID, detail, **_raw_output(output_json, value)
            )
        return value


def _raw_output(output_json: str, value: Any) -> JsonObject:
    """Return the model's answer for an error body: `value`, or the beginning of a long text."""
    if len(output_json) <= MAX_RAW_OUTPUT:
        return {"raw_output": value}
    return {"raw_output": f"{output_json[:MAX_RAW_OUTPUT]}…", "raw_output_truncated": True}


def _compile(schema: JsonObject, name: str) -> Schema:
    try:
        return compile_schema(schema)
    except SchemaInvalid as error:
        raise ConfigurationError(f"{name} does not compile: {error}") from error


def _public_detail(failure: RuntimeFailed, call: FunctionInvocation) -> str:
    """Describe a failure of the runtime without its internals."""
    if failure.unreachable:
        return "the runtime cannot be reached"
    if failure.code is Code.DEADLINE_EXCEEDED:
        return f"the runtime did not answer within {call.seconds:g} s"
    return f"the runtime failed; its log and the facade's name invocation {call.invocation_id}"


def _budget_exceeded(failure: RuntimeFailed) -> FunctionFailed:
    # What comes before the text are names of codes.
    _, _, detail = failure.message.partition("the budget")
    spent = FunctionFailed(FunctionErrorCode.BUDGET_EXCEEDED, f"the budget{detail}")
    spent.headers.update(retry_after(failure.message))
    return spent


def _violations(schema: Schema, value: Any) -> list[Violation]:
    return [] if schema.accepts(value) else schema.violations(value)
