"""The spans of a runtime: turns and function calls. The spans of their parts are children."""

from collections.abc import Mapping, Sequence

from omnia_core.env import RuntimeEnv
from omnia_core.names import METADATA_REQUEST_ID, Variant
from omnia_core.sessions import DeletedMessages, Message
from omnia_core.telemetry.tracing import (
    NO_TRACER,
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
    """Starts the spans of a runtime, with the attributes that all of them have."""

    def __init__(
        self,
        tracer: Tracer = NO_TRACER,
        agent: str = "",
        namespace: str = "",
        variant: str = Variant.STABLE,
    ) -> None:
        """Trace one agent; by default nothing is traced."""
        self._tracer = tracer
        self._name = f"{OPERATION} {agent}"
        self._common = {
            names.OPERATION: OPERATION,
            names.AGENT: agent,
            names.OMNIA_AGENT: agent,
            names.OMNIA_NAMESPACE: namespace,
            names.OMNIA_VARIANT: str(variant),
        }

    @classmethod
    def of(cls, tracer: Tracer, env: RuntimeEnv) -> "RuntimeTracing":
        """Trace the agent that an environment names."""
        return cls(tracer, env.agent_name, env.namespace, env.variant)

    def turn(self, turn: UserTurn, metadata: Mapping[str, str]) -> Span:
        """Start the span of a turn; `metadata` is that of the gRPC call."""
        span = self._start(metadata, turn.traceparent, turn.session_id)
        if span.content:
            span.set_attribute(
                names.INPUT_MESSAGES,
                traced_content.messages([Message("user", turn.content, turn.parts)]),
            )
        return span

    def invocation(self, metadata: Mapping[str, str]) -> Span:
        """Start the span of a function call; `metadata` is that of the gRPC call."""
        span = self._start(metadata, "", "")
        span.set_attribute(names.OMNIA_INVOCATION, metadata.get(METADATA_REQUEST_ID, ""))
        return span

    def _start(self, metadata: Mapping[str, str], traceparent: str, session_id: str) -> Span:
        span = self._tracer.start_span(
            self._name,
            SpanKind.SERVER,
            headers=metadata,
            traceparent=traceparent,
            session_id=session_id,
        )
        span.set_attributes(self._common)
        return span


def note_turn(
    agent: AgentVersion, history: Sequence[Message], deleted: DeletedMessages | None = None
) -> None:
    """Set in the current span the number of the turn, and the version that answers it.

    `deleted` describes the messages before `history`.
    """
    span = current_span()
    if span.recording:
        note_version(span, agent)
        before = deleted.turns if deleted else 0
        known = sum(message.role == "user" for message in history)
        span.set_attribute(names.OMNIA_TURN_INDEX, before + known)


def note_version(span: Span, agent: AgentVersion) -> None:
    """Set the version of the agent that answers."""
    span.set_attributes(
        {
            names.AGENT_VERSION: agent.version,
            names.OMNIA_PACK: agent.pack_id,
            names.OMNIA_PACK_VERSION: agent.version,
        }
    )


def note_end(span: Span, finished: TurnFinished) -> None:
    """Set the finish reason and the usage of a turn."""
    span.set_attributes(
        {
            names.FINISH_REASONS: (finished.reason,),
            names.INPUT_TOKENS: finished.usage.input_tokens,
            names.OUTPUT_TOKENS: finished.usage.output_tokens,
            names.OMNIA_COST: finished.usage.cost_usd,
        }
    )
    if span.content:
        span.set_attribute(
            names.OUTPUT_MESSAGES, traced_content.messages([Message("assistant", finished.text)])
        )
