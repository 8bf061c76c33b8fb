"""One version of the agent: a prompt, compiled, with the model and the tools that it uses."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

import orjson
from msgspec import Struct

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.sessions import Message
from omnia_runtime.agent.limits import Limits
from omnia_runtime.agent.request_builder import Context
from omnia_runtime.observe.audit import note_refused
from omnia_runtime.ports.model import ChatModel, ChatRequest
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.prompts.offer import Offer
from omnia_runtime.prompts.prompt import CompiledPrompt
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.turns.structured import StructuredOutput
from omnia_runtime.turns.turn import Caller
from omnia_runtime.validators import Validators


class AgentVersion(Struct, frozen=True):
    """Everything that a turn needs beside its session.

    Attributes:
        version: that of the PromptPack.
        output: the shape of the answer, in function mode.
        pack_id: that of the PromptPack.
    """

    version: str
    prompt: CompiledPrompt
    model: ChatModel
    offer: Offer
    tools: ToolManager
    validators: Validators
    context: Context
    rate: CallRate | None
    output: StructuredOutput | None
    pack_id: str = ""

    @property
    def limits(self) -> Limits:
        """How much a turn may do with tools."""
        policy = self.prompt.policy
        return Limits(
            max(policy.max_rounds, 0),
            max(policy.max_tool_calls_per_turn, 0),
            policy.max_parallel_tool_calls,
            policy.max_identical_tool_calls,
            policy.max_cost_usd,
            policy.max_total_tokens,
            frozenset(policy.stop_on_tool),
        )

    def request(
        self, system: str, messages: Sequence[Message], metadata: Mapping[str, str]
    ) -> ChatRequest:
        """Return the first call of a turn."""
        policy = self.prompt.policy
        return ChatRequest(
            system,
            messages,
            () if policy.tool_choice == "none" else self.offer.tools,
            policy.tool_choice,
            self.prompt.parameters,
            metadata,
            self.output.schema if self.output else None,
        )


_WINDOW_SECONDS = 60.0


class CallRate:
    """How often each tool may be called, over all sessions of this process."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, tool: str) -> float:
        """Count a call, and return 0; or the seconds after which it may be made."""
        calls, now = self._calls[tool], self._clock()
        while calls and calls[0] <= now - _WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= self.per_minute:
            return calls[0] + _WINDOW_SECONDS - now if calls else _WINDOW_SECONDS
        calls.append(now)
        return 0.0


class BoundTools:
    """Calls tools for one turn."""

    def __init__(
        self, tools: ToolManager, rate: CallRate | None, session_id: str, caller: Caller
    ) -> None:
        self._tools = tools
        self._rate = rate
        self._session_id = session_id
        self._caller = caller

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute a call; whatever goes wrong is a result for the model."""
        if self._rate and (wait := self._rate.admit(call.name)):
            note_refused(call)
            text = (
                f"not called: {call.name} may be called {self._rate.per_minute} times a minute;"
                f" the next call is possible in {max(round(wait), 1)} s"
            )
            return ToolResult(orjson.dumps({"error": text}).decode(), is_error=True)
        context = CallContext(call.id, self._session_id, self._caller.metadata, self._caller.client)
        return await self._tools.call(call, context)
