"""The limits of one turn, and what is left of them."""

from collections import Counter

import orjson
from msgspec import Struct

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError


class TurnLimits(Struct, frozen=True):
    """Limits of one turn; None means "no limit".

    Attributes:
        max_rounds: model calls that may request tools.
        max_identical: calls of one tool with the same arguments.
        max_cost_usd: cost of all model calls.
        max_tokens: input and output tokens of all model calls.
        stop_on: names of tools; the turn ends after a call of one of them.
    """

    max_rounds: int = 5
    max_calls: int = 10
    max_parallel: int = 10
    max_identical: int = 3
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    stop_on: frozenset[str] = frozenset()


class LimitReached(OmniaError):
    """A limit is reached, and the model requested only tool calls."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"the model asked for more tools than the turn's limit allows ({limit}); "
            "raise the limit in the pack's tool_policy, or ask for less",
        )


class Allowance:
    """Counts what a turn uses against its limits.

    Attributes:
        usage: the sum over all model calls so far.
        exhausted: the limit that was reached first, as "name: value"; "" if none.
    """

    def __init__(self, limits: TurnLimits) -> None:
        self.usage = Usage()
        self.exhausted = "" if limits.max_rounds > 0 else "max_rounds: 0"
        self._limits = limits
        self._rounds = 0
        self._calls = 0
        self._identical: Counter[tuple[str, bytes]] = Counter()

    def count_usage(self, usage: Usage) -> None:
        """Count the tokens and the cost of a model call."""
        self.usage += usage
        limits, total = self._limits, self.usage
        tokens = total.input_tokens + total.output_tokens
        if limits.max_cost_usd is not None and total.cost_usd >= limits.max_cost_usd:
            self._exhaust(f"max_cost_usd: {limits.max_cost_usd:g}")
        if limits.max_tokens is not None and tokens >= limits.max_tokens:
            self._exhaust(f"max_total_tokens: {limits.max_tokens}")

    def admit(self, call: ToolCall) -> str:
        """Count a tool call. Return "" if it is admitted, else the error for the model."""
        limits = self._limits
        if self._calls >= limits.max_calls:
            self._exhaust(f"max_tool_calls_per_turn: {limits.max_calls}")
        if self.exhausted:
            return f"not called: the turn has used up its limit ({self.exhausted})"
        self._calls += 1
        key = call.name, _canonical_json(call.arguments)
        self._identical[key] += 1
        if self._identical[key] <= limits.max_identical:
            return ""
        if self._identical[key] > limits.max_identical + 1:
            self._exhaust(f"max_identical_tool_calls: {limits.max_identical}")
        return (
            f"not called: {call.name} was called {limits.max_identical} times with these arguments"
            " already; use its results, change the arguments, or answer"
        )

    def end_round(self) -> None:
        """Count a model call that requested tools."""
        self._rounds += 1
        if self._rounds >= self._limits.max_rounds:
            self._exhaust(f"max_rounds: {self._limits.max_rounds}")
        if self._calls >= self._limits.max_calls:
            self._exhaust(f"max_tool_calls_per_turn: {self._limits.max_calls}")

    def _exhaust(self, limit: str) -> None:
        self.exhausted = self.exhausted or limit


def _canonical_json(arguments: str) -> bytes:
    """Return the same bytes for equal JSON documents; invalid JSON is returned as it is."""
    try:
        return orjson.dumps(orjson.loads(arguments or "{}"), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return arguments.encode()
