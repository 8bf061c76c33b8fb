"""How much one turn may do, and what is left of it."""

from collections import Counter

import orjson
from msgspec import Struct

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage


class Limits(Struct, frozen=True):
    """Limits of one turn.

    Attributes:
        max_rounds: answers of the model that may ask for tools.
        max_identical: calls of one tool with the same arguments.
        max_cost_usd: of the model's calls; None is "no limit", as for the tokens.
        stop_on: tools after whose call the turn ends.
    """

    max_rounds: int = 5
    max_calls: int = 10
    max_parallel: int = 10
    max_identical: int = 3
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    stop_on: frozenset[str] = frozenset()


class Allowance:
    """What is left of the limits of a turn.

    Attributes:
        usage: of all calls of the model so far.
        exhausted: the limit that is used up, "" while none is.
    """

    def __init__(self, limits: Limits) -> None:
        self.usage = Usage()
        self.exhausted = "" if limits.max_rounds > 0 else "max_rounds: 0"
        self._limits = limits
        self._rounds = 0
        self._calls = 0
        self._seen: Counter[tuple[str, bytes]] = Counter()

    def spend(self, usage: Usage) -> None:
        """Count a call of the model."""
        self.usage += usage
        limits, spent = self._limits, self.usage
        tokens = spent.input_tokens + spent.output_tokens
        if limits.max_cost_usd is not None and spent.cost_usd >= limits.max_cost_usd:
            self._exhaust(f"max_cost_usd: {limits.max_cost_usd:g}")
        if limits.max_tokens is not None and tokens >= limits.max_tokens:
            self._exhaust(f"max_total_tokens: {limits.max_tokens}")

    def admit(self, call: ToolCall) -> str:
        """Count a call of a tool. Return "" when it may run, else what the model is told."""
        limits = self._limits
        if self._calls >= limits.max_calls:
            self._exhaust(f"max_tool_calls_per_turn: {limits.max_calls}")
        if self.exhausted:
            return f"not called: the turn has used up its limit ({self.exhausted})"
        self._calls += 1
        same = call.name, _canonical(call.arguments)
        self._seen[same] += 1
        if self._seen[same] <= limits.max_identical:
            return ""
        if self._seen[same] > limits.max_identical + 1:
            self._exhaust(f"max_identical_tool_calls: {limits.max_identical}")
        return (
            f"not called: {call.name} was called {limits.max_identical} times with these arguments"
            " already; use its results, change the arguments, or answer"
        )

    def end_round(self) -> None:
        """Count an answer of the model that asked for tools."""
        self._rounds += 1
        if self._rounds >= self._limits.max_rounds:
            self._exhaust(f"max_rounds: {self._limits.max_rounds}")
        if self._calls >= self._limits.max_calls:
            self._exhaust(f"max_tool_calls_per_turn: {self._limits.max_calls}")

    def _exhaust(self, limit: str) -> None:
        self.exhausted = self.exhausted or limit


def _canonical(arguments: str) -> bytes:
    """Return the same bytes for arguments that say the same."""
    try:
        return orjson.dumps(orjson.loads(arguments or "{}"), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return arguments.encode()
