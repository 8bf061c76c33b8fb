"""One version of the agent: its compiled prompt, model, tools and structured output."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import orjson
from msgspec import Struct, structs

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.trial import Trial
from omnia_core.errors import Code, OmniaError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack.compiled import CompiledPrompt
from omnia_core.jsonvalue import parse_json
from omnia_core.sessions import Message, Session
from omnia_core.sessions.audit import EventKind
from omnia_runtime.agent.loop import AgentLoop, LimitReached, TurnLimits
from omnia_runtime.agent.request_builder import ModelContext, RequestBuilder
from omnia_runtime.observe.audit import record_event, record_refused_call
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import AgentListener, TurnFinished
from omnia_runtime.ports.model import ChatModel, ChatRequest, OutputSchema, ToolSpec
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.prompts.offer import ToolOffer
from omnia_runtime.tools.manager import ToolManager
from omnia_runtime.turns.answer_value import answer_value
from omnia_runtime.turns.naming import NamingTerms
from omnia_runtime.turns.turn import Caller, UserTurn
from omnia_runtime.validators import Blocked, Validators

_RATE_WINDOW_SECONDS = 60.0
_MAX_VIOLATIONS = 5


class CallRate:
    """Limits the calls of each tool per minute, over all sessions of this process."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, tool: str) -> float:
        """Count a call and return 0, or return the seconds until the next call is possible."""
        calls, now = self._calls[tool], self._clock()
        while calls and calls[0] <= now - _RATE_WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= self.per_minute:
            return calls[0] + _RATE_WINDOW_SECONDS - now if calls else _RATE_WINDOW_SECONDS
        calls.append(now)
        return 0.0


class BoundTools:
    """The tools of one turn: called for its session and its caller."""

    def __init__(
        self, tools: ToolManager, rate: CallRate | None, session_id: str, caller: Caller
    ) -> None:
        self._tools = tools
        self._rate = rate
        self._session_id = session_id
        self._caller = caller

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute a call. An error is a result; this never raises."""
        if self._rate and (wait := self._rate.admit(call.name)):
            record_refused_call(call)
            text = (
                f"not called: {call.name} may be called {self._rate.per_minute} times a minute;"
                f" the next call is possible in {max(round(wait), 1)} s"
            )
            return ToolResult(orjson.dumps({"error": text}).decode(), is_error=True)
        context = CallContext(call.id, self._session_id, self._caller.metadata, self._caller.client)
        return await self._tools.call(call, context)


class StructuredOutput:
    """The output schema of a function, compiled when the first answer is checked.

    Attributes:
        schema: the schema for the provider.
    """

    def __init__(self, function: FunctionFile) -> None:
        self.schema = OutputSchema(function.name, function.output_schema)
        self._compiled: Schema | None = None

    def value(self, text: str) -> str:
        """Return the JSON text of the value in an answer; the answer itself if it has none.

        Raises:
            SchemaInvalid: the function's own schema is invalid.
        """
        if text.startswith("{"):
            try:
                orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
            else:
                # As models answer that keep to the schema.
                return text
        return answer_value(text, lambda value: self._schema().accepts(value))

    def fault(self, text: str) -> str:
        """Return what is wrong with an answer; "" if it is valid.

        Raises:
            SchemaInvalid: the function's own schema is invalid.
        """
        try:
            value = parse_json(text)
        except ValueError as error:
            return f"it is {error}"
        return "; ".join(map(str, self._schema().violations(value, limit=_MAX_VIOLATIONS)))

    def _schema(self) -> "Schema":
        if self._compiled is None:
            # Imported with the first answer, to save the memory of an idle pod.
            from omnia_core.jsonschema import compile_schema  # noqa: PLC0415 - as above

            self._compiled = compile_schema(self.schema.schema)
        return self._compiled


def repair_request(fault: str) -> str:
    """Return the message that asks the model for a valid answer."""
    return (
        f"Your answer does not have the required shape: {fault}. Answer again with the corrected "
        "JSON value alone, without any other text."
    )


class AgentVersion(Struct, frozen=True):
    """What a turn needs besides its session.

    Attributes:
        version: the version of the PromptPack.
        pack_id: the ID of the PromptPack.
        variant: which variant of the agent this is; "" for the stable one.
        rate: None if tool calls are not rate limited.
        output: the output schema; None outside of function mode.
        naming: None if sessions get no names.
        evals: the evaluations of each turn that the runtime runs after it.
    """

    version: str
    pack_id: str
    prompt: CompiledPrompt
    model: ChatModel
    offer: ToolOffer
    tools: ToolManager
    validators: Validators
    context: ModelContext
    metrics: RuntimeMetrics
    rate: CallRate | None = None
    output: StructuredOutput | None = None
    naming: NamingTerms | None = None
    evals: "Sequence[EvalSpec]" = ()
    variant: str = ""

    def with_client_tools(self, tools: Sequence[ToolSpec]) -> "AgentVersion":
        """Return the agent with tools that the client of one turn offers and executes.

        A tool of the agent wins over one of the same name, and a blocked one is not offered.
        """
        policy = self.prompt.prompt.tool_policy
        taken = {tool.name for tool in self.offer.tools} | set(policy.blocklist if policy else ())
        new = [tool for tool in tools if tool.name not in taken]
        if not new:
            return self
        offered = sorted((*self.offer.tools, *new), key=lambda tool: tool.name)
        return structs.replace(
            self,
            offer=structs.replace(self.offer, tools=tuple(offered)),
            tools=self.tools.with_client_tools(new),
        )

    def request(
        self, system: str, messages: Sequence[Message], metadata: Mapping[str, str]
    ) -> ChatRequest:
        """Return the first model request of a turn."""
        policy = self.prompt.policy
        return ChatRequest(
            system=system,
            messages=messages,
            tools=() if policy.tool_choice == "none" else self.offer.tools,
            tool_choice=policy.tool_choice,
            parameters=self.prompt.parameters,
            metadata=metadata,
            output=self.output.schema if self.output else None,
        )

    def loop(self, requests: RequestBuilder, session_id: str, caller: Caller) -> AgentLoop:
        """Return the agent loop for one turn; `session_id` is "" for a function call."""
        return AgentLoop(
            model=self.model,
            tools=BoundTools(self.tools, self.rate, session_id, caller),
            limits=self._limits(),
            requests=requests,
            gate=self.validators.gate(),
        )

    def check_input(self, text: str) -> Blocked | None:
        """Apply the input validators, and report a violation; None if the input passes."""
        blocked = self.validators.check_input(text)
        if blocked:
            record_event(EventKind.INPUT_BLOCKED, blocked.validator_type)
            self.metrics.blocked(blocked.validator_type, "input")
        return blocked

    async def run(
        self,
        loop: AgentLoop,
        request: ChatRequest,
        transcript: list[Message],
        listener: AgentListener,
    ) -> TurnFinished:
        """Run the loop, as `AgentLoop.run`, and report limits and blocked answers."""
        try:
            finished = await loop.run(request, transcript, listener)
        except LimitReached as error:
            self._report_limit(error.limit)
            raise
        if finished.limit:
            self._report_limit(finished.limit)
        if finished.blocked:
            record_event(EventKind.OUTPUT_BLOCKED, finished.blocked)
            self.metrics.blocked(finished.blocked, "output")
        return finished

    def _report_limit(self, limit: str) -> None:
        record_event(EventKind.LIMIT_REACHED, limit)
        self.metrics.limit_reached(limit)

    def _limits(self) -> TurnLimits:
        policy = self.prompt.policy
        return TurnLimits(
            max_rounds=max(policy.max_rounds, 0),
            max_calls=max(policy.max_tool_calls_per_turn, 0),
            max_parallel=policy.max_parallel_tool_calls,
            max_identical=policy.max_identical_tool_calls,
            max_cost_usd=policy.max_cost_usd,
            max_tokens=policy.max_total_tokens,
            stop_on=frozenset(policy.stop_on_tool),
        )


class TrialInvalid(OmniaError):
    """A session cannot try out what its client asks for."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, f"trial: {problem}")


def trial_of(turn: UserTurn, session: Session | None) -> Trial | None:
    """Return the trial of the session of a turn.

    Raises:
        TrialInvalid: the message begins a trial in a session that has turns.
    """
    begun_with = session.trial if session else None
    if turn.trial is None:
        return begun_with
    # A client whose first message failed sends the same trial with the next one.
    if session and session.turns and turn.trial != begun_with:
        raise TrialInvalid("only the first message of a session may have one; begin a new session")
    return turn.trial


class AgentVersions(Protocol):
    """The versions of the agent in the current configuration."""

    def for_session(self, session_id: str, begun_with: str) -> AgentVersion:
        """Return the version for the next turn of a session.

        `begun_with` is the version with which the session began, "" for a new session.
        """

    def for_trial(self, session_id: str, begun_with: str, trial: Trial) -> AgentVersion:
        """Return the version for the next turn of a session that tries something out.

        Raises:
            TrialInvalid: the trial is not possible here.
        """


if TYPE_CHECKING:
    from omnia_core.files.evals import EvalSpec
    from omnia_core.jsonschema import Schema
