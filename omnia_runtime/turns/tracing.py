"""The spans of a runtime: turns and calls of a function. Their parts are children of these."""

from collections.abc import Mapping, Sequence

from omnia_core.env import RuntimeEnv
from omnia_core.names import METADATA_REQUEST_ID
from omnia_core.sessions import DeletedMessages, Message
from omnia_core.telemetry.tracing import (
    NO_TRACER,
    TRACEPARENT,
    Span,
    SpanKind,
    Tracer,
    current_span,
    names,
)
from omnia_runtime.ports.listener import TurnFinished
from omnia_runtime.providers import traced_content
from omnia_runtime.turns.agent_version import AgentVersion
from omnia_runtime.turns.turn import UserTurn

OPERATION = "invoke_agent"


class RuntimeTracing:
    """What the runtime traces, with what all of its turns say."""

    def __init__(self, tracer: Tracer = NO_TRACER, agent: str = "", namespace: str = "") -> None:
        """Trace for one agent; by default nothing is traced."""
        self._tracer = tracer
        self._name = f"{OPERATION} {agent}"
        self._common = {
            names.OPERATION: OPERATION,
            names.AGENT: agent,
            names.OMNIA_AGENT: agent,
            names.OMNIA_NAMESPACE: namespace,
        }

    @classmethod
    def of(cls, tracer: Tracer, env: RuntimeEnv) -> "RuntimeTracing":
        """Trace for the agent that an environment names."""
        return cls(tracer, env.agent_name, env.namespace)

    def turn(self, turn: UserTurn, metadata: Mapping[str, str]) -> Span:
        """Begin the span of a turn; `metadata` is that of the gRPC call."""
        remote = turn.traceparent or metadata.get(TRACEPARENT, "")
        span = self._begin(remote, turn.session_id)
        if span.content:
            span.note(
                names.INPUT_MESSAGES,
                traced_content.messages([Message("user", turn.content, turn.parts)]),
            )
        return span

    def invocation(self, metadata: Mapping[str, str]) -> Span:
        """Begin the span of a call of a function; `metadata` is that of the gRPC call."""
        span = self._begin(metadata.get(TRACEPARENT, ""), "")
        span.note(names.OMNIA_INVOCATION, metadata.get(METADATA_REQUEST_ID, ""))
        return span

    def _begin(self, remote: str, session_id: str) -> Span:
        span = self._tracer.start(self._name, SpanKind.SERVER, remote=remote, session_id=session_id)
        if span.recording:
            for name, value in self._common.items():
                span.note(name, value)
        return span


def note_turn(
    agent: AgentVersion, history: Sequence[Message], deleted: DeletedMessages | None = None
) -> None:
    """Note in the current span which turn of a session it is, and who answers it.

    `deleted` is what stood before `history`.
    """
    span = current_span()
    if span.recording:
        note_version(span, agent)
        before = deleted.turns if deleted else 0
        said = sum(each.role == "user" for each in history)
        span.note(names.OMNIA_TURN_INDEX, before + said)


def note_version(span: Span, agent: AgentVersion) -> None:
    """Note which version of the agent answers."""
    span.note(names.AGENT_VERSION, agent.version)
    span.note(names.OMNIA_PACK, agent.pack_id)
    span.note(names.OMNIA_PACK_VERSION, agent.version)


def note_end(span: Span, finished: TurnFinished) -> None:
    """Note how a turn ended, and what it used."""
    span.note(names.FINISH_REASONS, (finished.reason,))
    span.note(names.INPUT_TOKENS, finished.usage.input_tokens)
    span.note(names.OUTPUT_TOKENS, finished.usage.output_tokens)
    span.note(names.OMNIA_COST, finished.usage.cost_usd)
    if span.content:
        span.note(
            names.OUTPUT_MESSAGES, traced_content.messages([Message("assistant", finished.text)])
        )
