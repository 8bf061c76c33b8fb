"""Converts between Protobuf messages of the runtime and events."""

from collections.abc import Callable
from typing import assert_never

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.trial import Trial
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Advice
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.backend.events import (
    AudioInput,
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    Interruption,
    MediaChunk,
    RuntimeHello,
    SessionConfig,
    ToolCallEvent,
    ToolResultEvent,
    Transcript,
    TurnRequest,
)
from omnia_facade.backend.own_sessions import Change, OwnSession, OwnSessionsPage
from omnia_facade.backend.port import (
    Cancellation,
    Forked,
    ForkState,
    Probed,
    Reading,
    Resume,
    SaidMessage,
)
from omnia_facade.runtime_client.port import (
    CancelRequest,
    IncomingEvent,
    Invocation,
    OutgoingMessage,
)
from omnia_facade.runtime_client.recorded import to_eval_results, to_trail


def to_client_message(session_id: str, message: OutgoingMessage) -> pb.ClientMessage:
    """Return the Protobuf message."""
    match message:
        case TurnRequest():
            return pb.ClientMessage(
                session_id=session_id,
                content=message.text,
                metadata=message.metadata,
                parts=[_to_part(part) for part in message.parts],
                consent_grants=message.consent_grants,
                traceparent=message.traceparent,
                history=[
                    pb.HistoryMessage(role=said.role, content=said.content)
                    for said in message.history
                ],
                tools=[
                    pb.RequestTool(
                        name=tool.name,
                        description=tool.description,
                        parameters_json=tool.parameters,
                    )
                    for tool in message.tools
                ],
                trial=_to_trial(message.trial),
            )
        case ClientToolResult():
            answer = pb.ClientToolResult(
                call_id=message.call_id,
                result_json=message.result_json,
                is_rejected=message.rejection is not None,
                rejection_reason=message.rejection or "",
            )
            return pb.ClientMessage(session_id=session_id, client_tool_result=answer)
        case AudioInput(data, sequence, is_last):
            audio = pb.AudioInputChunk(data=data, sequence=sequence, is_last=is_last)
            return pb.ClientMessage(session_id=session_id, audio_input=audio)
        case CallRequest():
            start = pb.DuplexStart(
                codec=message.codec, sample_rate=message.sample_rate, channels=message.channels
            )
            return pb.ClientMessage(session_id=session_id, duplex_start=start)
        case CancelRequest():
            return pb.ClientMessage(session_id=session_id, cancel=True)
        case _:
            assert_never(message)


def to_event(message: pb.ServerMessage) -> IncomingEvent | str | None:
    """Return the event, the text of an answer as a string, or None for an unknown message."""
    kind = message.WhichOneof("message")
    if kind == "done":
        return _done(message.done)
    convert = _EVENTS.get(kind or "")
    return convert(message) if convert else None


def to_invocation(response: pb.InvocationResponse) -> Invocation:
    """Return the outcome of a function call."""
    usage = _usage(response.usage) if response.HasField("usage") else None
    return Invocation(response.output_json, usage)


def to_probed(response: pb.HasConversationResponse) -> Probed:
    """Return the state; unknown states are `UNAVAILABLE`."""
    return Probed(_RESUME.get(response.state, Resume.UNAVAILABLE), response.session_name)


def to_reading(response: pb.ReadConversationResponse) -> Reading:
    """Return the last turns of a session; unknown states are `UNAVAILABLE`."""
    return Reading(
        _RESUME.get(response.state, Resume.UNAVAILABLE),
        response.session_name,
        tuple(map(_said, response.messages)),
        response.earlier_turns,
        {trail.turn: to_trail(trail) for trail in response.trails},
        to_eval_results(response.eval_results),
    )


def to_own_sessions(response: pb.ListConversationsResponse) -> OwnSessionsPage:
    """Return a page of a list of sessions."""
    if response.unavailable:
        return OwnSessionsPage(Change.UNAVAILABLE)
    return OwnSessionsPage(Change.MADE, tuple(map(_own, response.conversations)), response.next)


def _own(listed: pb.ListedConversation) -> OwnSession:
    return OwnSession(
        id=listed.session_id,
        name=listed.session_name,
        begun_at=listed.begun_at,
        last_at=listed.last_at,
        ends_at=listed.ends_at,
        turns=listed.turns,
        status=listed.status,
        tokens=listed.tokens if listed.HasField("tokens") else None,
        cost_usd=listed.cost_usd if listed.HasField("cost_usd") else None,
        first_message=listed.first_message,
    )


def to_change(state: "pb.ResumeState") -> Change:
    """Return what became of a change; unknown states are `UNAVAILABLE`."""
    made = {
        pb.RESUME_STATE_RESUMABLE: Change.MADE,
        pb.RESUME_STATE_NOT_FOUND: Change.NOT_FOUND,
    }
    return made.get(state, Change.UNAVAILABLE)


_RESUME = {
    pb.RESUME_STATE_RESUMABLE: Resume.RESUMABLE,
    pb.RESUME_STATE_NOT_FOUND: Resume.NOT_FOUND,
}


def _said(message: pb.ConversationMessage) -> SaidMessage:
    return SaidMessage(
        role=message.role,
        content=message.tool_result.result_json if message.role == "tool" else message.content,
        parts=tuple(map(_from_part, message.parts)),
        tool_calls=tuple(
            ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls
        ),
        tool_call_id=message.tool_result.id,
        is_error=message.tool_result.is_error,
        finish_reason=message.finish_reason,
        created_at=message.created_at,
        pack_version=message.pack_version,
        variant=message.variant,
        variables=dict(message.variables.values) if message.HasField("variables") else None,
    )


def to_cancellation(response: pb.CancelTurnResponse) -> Cancellation:
    """Return the state; unknown states are `UNAVAILABLE`."""
    states = {
        pb.CANCEL_STATE_ACCEPTED: Cancellation.ACCEPTED,
        pb.CANCEL_STATE_NOT_FOUND: Cancellation.NOT_FOUND,
        pb.CANCEL_STATE_NOT_RUNNING: Cancellation.NOT_RUNNING,
    }
    return states.get(response.state, Cancellation.UNAVAILABLE)


def to_forked(new_id: str, response: pb.ForkConversationResponse) -> Forked:
    """Return the session that was created; unknown states are `UNAVAILABLE`."""
    states = {
        pb.FORK_STATE_CREATED: ForkState.CREATED,
        pb.FORK_STATE_NOT_FOUND: ForkState.NOT_FOUND,
        pb.FORK_STATE_TURN_RUNNING: ForkState.TURN_RUNNING,
        pb.FORK_STATE_OUT_OF_RANGE: ForkState.OUT_OF_RANGE,
    }
    state = states.get(response.state, ForkState.UNAVAILABLE)
    return Forked(state, new_id if state is ForkState.CREATED else "", response.detail)


def _failed(message: pb.ServerMessage) -> Failed:
    error = message.error
    advice = _advice(error.advice) if error.HasField("advice") else None
    return Failed(error.code or "INTERNAL_ERROR", error.message, trial=error.trial, advice=advice)


def _advice(advice: pb.Advice) -> Advice:
    wait = advice.retry_after if advice.HasField("retry_after") else None
    return Advice(advice.title, advice.hint, advice.retryable, wait)


def _chunk(message: pb.ServerMessage) -> Transcript | str:
    chunk = message.chunk
    return Transcript(chunk.content, chunk.role) if chunk.role else chunk.content


def _tool_result(message: pb.ServerMessage) -> ToolResultEvent:
    result = message.tool_result
    return ToolResultEvent(result.id, ToolResult(result.result_json, result.is_error))


def _media_chunk(message: pb.ServerMessage) -> MediaChunk:
    chunk = message.media_chunk
    sequence = max(chunk.sequence, 0)
    return MediaChunk(chunk.media_id, sequence, chunk.is_last, chunk.mime_type, chunk.data)


def _interruption(_message: pb.ServerMessage) -> Interruption:
    return Interruption()


def _hello(message: pb.ServerMessage) -> RuntimeHello:
    hello = message.runtime_hello
    media = hello.media if hello.HasField("media") else None
    config = SessionConfig(media.codec, media.sample_rate, media.channels) if media else None
    return RuntimeHello(frozenset(hello.capabilities), config)


def _done(done: pb.Done) -> Done:
    return Done(
        content=done.final_content,
        usage=_usage(done.usage) if done.HasField("usage") else None,
        finish_reason=done.finish_reason,
        parts=tuple(_from_part(part) for part in done.parts),
        session_name=done.session_name,
        pack_version=done.pack_version,
        trial=done.trial,
    )


def _tool_call(message: pb.ServerMessage) -> ToolCallEvent:
    call = message.tool_call
    return ToolCallEvent(
        ToolCall(call.id, call.name, call.arguments_json),
        by_client=call.execution == pb.TOOL_EXECUTION_CLIENT,
        consent_message=call.consent_message,
        categories=tuple(call.categories),
        output_schema=call.output_schema_json,
    )


def _usage(usage: pb.Usage) -> Usage:
    # The cost is a 32-bit float on the wire: only seven decimal digits are exact.
    return Usage(usage.input_tokens, usage.output_tokens, cost_usd=float(f"{usage.cost_usd:.7g}"))


def _to_trial(trial: Trial | None) -> pb.Trial | None:
    if trial is None:
        return None
    return pb.Trial(version=trial.version, provider=trial.provider, system=trial.system)


def _to_part(part: Part) -> pb.ContentPart:
    if part.media is None:
        return pb.ContentPart(type=part.type, text=part.text)
    media = pb.MediaContent(
        data=part.media.data,
        url=part.media.url,
        mime_type=part.media.mime_type,
        storage_ref=part.media.storage_ref,
    )
    return pb.ContentPart(type=part.type, text=part.text, media=media)


def _from_part(part: pb.ContentPart) -> Part:
    if not part.HasField("media"):
        return Part(part.type, part.text)
    media = part.media
    return Part(
        part.type, part.text, Media(media.mime_type, media.data, media.url, media.storage_ref)
    )


_EVENTS: dict[str, Callable[[pb.ServerMessage], IncomingEvent | str]] = {
    "chunk": _chunk,
    "error": _failed,
    "interruption": _interruption,
    "media_chunk": _media_chunk,
    "runtime_hello": _hello,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
}
