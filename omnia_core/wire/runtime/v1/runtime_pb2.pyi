from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ToolExecution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOOL_EXECUTION_SERVER: _ClassVar[ToolExecution]
    TOOL_EXECUTION_CLIENT: _ClassVar[ToolExecution]

class ResumeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESUME_STATE_UNSPECIFIED: _ClassVar[ResumeState]
    RESUME_STATE_RESUMABLE: _ClassVar[ResumeState]
    RESUME_STATE_NOT_FOUND: _ClassVar[ResumeState]
    RESUME_STATE_UNAVAILABLE: _ClassVar[ResumeState]

class CancelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANCEL_STATE_UNSPECIFIED: _ClassVar[CancelState]
    CANCEL_STATE_ACCEPTED: _ClassVar[CancelState]
    CANCEL_STATE_NOT_FOUND: _ClassVar[CancelState]
    CANCEL_STATE_NOT_RUNNING: _ClassVar[CancelState]
    CANCEL_STATE_UNAVAILABLE: _ClassVar[CancelState]

class ForkState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORK_STATE_UNSPECIFIED: _ClassVar[ForkState]
    FORK_STATE_CREATED: _ClassVar[ForkState]
    FORK_STATE_NOT_FOUND: _ClassVar[ForkState]
    FORK_STATE_TURN_RUNNING: _ClassVar[ForkState]
    FORK_STATE_OUT_OF_RANGE: _ClassVar[ForkState]
    FORK_STATE_UNAVAILABLE: _ClassVar[ForkState]
TOOL_EXECUTION_SERVER: ToolExecution
TOOL_EXECUTION_CLIENT: ToolExecution
RESUME_STATE_UNSPECIFIED: ResumeState
RESUME_STATE_RESUMABLE: ResumeState
RESUME_STATE_NOT_FOUND: ResumeState
RESUME_STATE_UNAVAILABLE: ResumeState
CANCEL_STATE_UNSPECIFIED: CancelState
CANCEL_STATE_ACCEPTED: CancelState
CANCEL_STATE_NOT_FOUND: CancelState
CANCEL_STATE_NOT_RUNNING: CancelState
CANCEL_STATE_UNAVAILABLE: CancelState
FORK_STATE_UNSPECIFIED: ForkState
FORK_STATE_CREATED: ForkState
FORK_STATE_NOT_FOUND: ForkState
FORK_STATE_TURN_RUNNING: ForkState
FORK_STATE_OUT_OF_RANGE: ForkState
FORK_STATE_UNAVAILABLE: ForkState

class ClientMessage(_message.Message):
    __slots__ = ("session_id", "content", "metadata", "parts", "client_tool_result", "consent_grants", "duplex_start", "audio_input", "cancel", "traceparent", "history", "tools", "trial")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    CONSENT_GRANTS_FIELD_NUMBER: _ClassVar[int]
    DUPLEX_START_FIELD_NUMBER: _ClassVar[int]
    AUDIO_INPUT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    content: str
    metadata: _containers.ScalarMap[str, str]
    parts: _containers.RepeatedCompositeFieldContainer[ContentPart]
    client_tool_result: ClientToolResult
    consent_grants: _containers.RepeatedScalarFieldContainer[str]
    duplex_start: DuplexStart
    audio_input: AudioInputChunk
    cancel: bool
    traceparent: str
    history: _containers.RepeatedCompositeFieldContainer[HistoryMessage]
    tools: _containers.RepeatedCompositeFieldContainer[RequestTool]
    trial: Trial
    def __init__(self, session_id: _Optional[str] = ..., content: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., parts: _Optional[_Iterable[_Union[ContentPart, _Mapping]]] = ..., client_tool_result: _Optional[_Union[ClientToolResult, _Mapping]] = ..., consent_grants: _Optional[_Iterable[str]] = ..., duplex_start: _Optional[_Union[DuplexStart, _Mapping]] = ..., audio_input: _Optional[_Union[AudioInputChunk, _Mapping]] = ..., cancel: _Optional[bool] = ..., traceparent: _Optional[str] = ..., history: _Optional[_Iterable[_Union[HistoryMessage, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[RequestTool, _Mapping]]] = ..., trial: _Optional[_Union[Trial, _Mapping]] = ...) -> None: ...

class Trial(_message.Message):
    __slots__ = ("version", "provider", "system")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    version: str
    provider: str
    system: str
    def __init__(self, version: _Optional[str] = ..., provider: _Optional[str] = ..., system: _Optional[str] = ...) -> None: ...

class HistoryMessage(_message.Message):
    __slots__ = ("role", "content")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class RequestTool(_message.Message):
    __slots__ = ("name", "description", "parameters_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters_json: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters_json: _Optional[str] = ...) -> None: ...

class ClientToolResult(_message.Message):
    __slots__ = ("call_id", "result_json", "is_rejected", "rejection_reason")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    IS_REJECTED_FIELD_NUMBER: _ClassVar[int]
    REJECTION_REASON_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    result_json: str
    is_rejected: bool
    rejection_reason: str
    def __init__(self, call_id: _Optional[str] = ..., result_json: _Optional[str] = ..., is_rejected: _Optional[bool] = ..., rejection_reason: _Optional[str] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("chunk", "tool_call", "tool_result", "done", "error", "media_chunk", "interruption", "runtime_hello")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MEDIA_CHUNK_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTION_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_HELLO_FIELD_NUMBER: _ClassVar[int]
    chunk: Chunk
    tool_call: ToolCall
    tool_result: ToolResult
    done: Done
    error: Error
    media_chunk: MediaChunk
    interruption: Interruption
    runtime_hello: RuntimeHello
    def __init__(self, chunk: _Optional[_Union[Chunk, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ..., tool_result: _Optional[_Union[ToolResult, _Mapping]] = ..., done: _Optional[_Union[Done, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., media_chunk: _Optional[_Union[MediaChunk, _Mapping]] = ..., interruption: _Optional[_Union[Interruption, _Mapping]] = ..., runtime_hello: _Optional[_Union[RuntimeHello, _Mapping]] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("content", "role")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    content: str
    role: str
    def __init__(self, content: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("id", "name", "arguments_json", "execution", "consent_message", "categories", "output_schema_json")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    CONSENT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    arguments_json: str
    execution: ToolExecution
    consent_message: str
    categories: _containers.RepeatedScalarFieldContainer[str]
    output_schema_json: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ..., execution: _Optional[_Union[ToolExecution, str]] = ..., consent_message: _Optional[str] = ..., categories: _Optional[_Iterable[str]] = ..., output_schema_json: _Optional[str] = ...) -> None: ...

class ToolResult(_message.Message):
    __slots__ = ("id", "result_json", "is_error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    IS_ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    result_json: str
    is_error: bool
    def __init__(self, id: _Optional[str] = ..., result_json: _Optional[str] = ..., is_error: _Optional[bool] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ("final_content", "usage", "parts", "finish_reason", "session_name", "pack_version", "trial")
    FINAL_CONTENT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    SESSION_NAME_FIELD_NUMBER: _ClassVar[int]
    PACK_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    final_content: str
    usage: Usage
    parts: _containers.RepeatedCompositeFieldContainer[ContentPart]
    finish_reason: str
    session_name: str
    pack_version: str
    trial: bool
    def __init__(self, final_content: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[ContentPart, _Mapping]]] = ..., finish_reason: _Optional[str] = ..., session_name: _Optional[str] = ..., pack_version: _Optional[str] = ..., trial: _Optional[bool] = ...) -> None: ...

class ContentPart(_message.Message):
    __slots__ = ("type", "text", "media")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    type: str
    text: str
    media: MediaContent
    def __init__(self, type: _Optional[str] = ..., text: _Optional[str] = ..., media: _Optional[_Union[MediaContent, _Mapping]] = ...) -> None: ...

class MediaContent(_message.Message):
    __slots__ = ("data", "url", "mime_type", "storage_ref")
    DATA_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    STORAGE_REF_FIELD_NUMBER: _ClassVar[int]
    data: str
    url: str
    mime_type: str
    storage_ref: str
    def __init__(self, data: _Optional[str] = ..., url: _Optional[str] = ..., mime_type: _Optional[str] = ..., storage_ref: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cost_usd")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message", "trial", "advice")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    trial: bool
    advice: Advice
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., trial: _Optional[bool] = ..., advice: _Optional[_Union[Advice, _Mapping]] = ...) -> None: ...

class Advice(_message.Message):
    __slots__ = ("title", "hint", "retryable", "retry_after")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    title: str
    hint: str
    retryable: bool
    retry_after: float
    def __init__(self, title: _Optional[str] = ..., hint: _Optional[str] = ..., retryable: _Optional[bool] = ..., retry_after: _Optional[float] = ...) -> None: ...

class Interruption(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MediaChunk(_message.Message):
    __slots__ = ("media_id", "sequence", "is_last", "mime_type", "data")
    MEDIA_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    media_id: str
    sequence: int
    is_last: bool
    mime_type: str
    data: bytes
    def __init__(self, media_id: _Optional[str] = ..., sequence: _Optional[int] = ..., is_last: _Optional[bool] = ..., mime_type: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class InvocationRequest(_message.Message):
    __slots__ = ("input_json", "invocation_id", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    input_json: str
    invocation_id: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, input_json: _Optional[str] = ..., invocation_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class InvocationResponse(_message.Message):
    __slots__ = ("output_json", "usage", "duration_ms", "invocation_id")
    OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    output_json: str
    usage: Usage
    duration_ms: int
    invocation_id: str
    def __init__(self, output_json: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., duration_ms: _Optional[int] = ..., invocation_id: _Optional[str] = ...) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HealthResponse(_message.Message):
    __slots__ = ("healthy", "status", "contract_version", "capabilities")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    healthy: bool
    status: str
    contract_version: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, healthy: _Optional[bool] = ..., status: _Optional[str] = ..., contract_version: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ...) -> None: ...

class HasConversationRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class HasConversationResponse(_message.Message):
    __slots__ = ("state", "detail", "session_name")
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SESSION_NAME_FIELD_NUMBER: _ClassVar[int]
    state: ResumeState
    detail: str
    session_name: str
    def __init__(self, state: _Optional[_Union[ResumeState, str]] = ..., detail: _Optional[str] = ..., session_name: _Optional[str] = ...) -> None: ...

class CancelTurnRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class CancelTurnResponse(_message.Message):
    __slots__ = ("state", "detail")
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    state: CancelState
    detail: str
    def __init__(self, state: _Optional[_Union[CancelState, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class ReadConversationRequest(_message.Message):
    __slots__ = ("session_id", "last_turns")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_TURNS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    last_turns: int
    def __init__(self, session_id: _Optional[str] = ..., last_turns: _Optional[int] = ...) -> None: ...

class ReadConversationResponse(_message.Message):
    __slots__ = ("state", "detail", "session_name", "messages", "earlier_turns", "trails", "eval_results")
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SESSION_NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    EARLIER_TURNS_FIELD_NUMBER: _ClassVar[int]
    TRAILS_FIELD_NUMBER: _ClassVar[int]
    EVAL_RESULTS_FIELD_NUMBER: _ClassVar[int]
    state: ResumeState
    detail: str
    session_name: str
    messages: _containers.RepeatedCompositeFieldContainer[ConversationMessage]
    earlier_turns: int
    trails: _containers.RepeatedCompositeFieldContainer[TurnTrail]
    eval_results: _containers.RepeatedCompositeFieldContainer[EvalResult]
    def __init__(self, state: _Optional[_Union[ResumeState, str]] = ..., detail: _Optional[str] = ..., session_name: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[ConversationMessage, _Mapping]]] = ..., earlier_turns: _Optional[int] = ..., trails: _Optional[_Iterable[_Union[TurnTrail, _Mapping]]] = ..., eval_results: _Optional[_Iterable[_Union[EvalResult, _Mapping]]] = ...) -> None: ...

class TurnTrail(_message.Message):
    __slots__ = ("turn", "provider_calls", "tool_calls", "events")
    TURN_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    turn: int
    provider_calls: _containers.RepeatedCompositeFieldContainer[ProviderCall]
    tool_calls: _containers.RepeatedCompositeFieldContainer[ExecutedCall]
    events: _containers.RepeatedCompositeFieldContainer[RuntimeEvent]
    def __init__(self, turn: _Optional[int] = ..., provider_calls: _Optional[_Iterable[_Union[ProviderCall, _Mapping]]] = ..., tool_calls: _Optional[_Iterable[_Union[ExecutedCall, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[RuntimeEvent, _Mapping]]] = ...) -> None: ...

class ProviderCall(_message.Message):
    __slots__ = ("began_at", "provider", "model", "status", "fault", "attempt", "input_tokens", "output_tokens", "cached_tokens", "cost_usd", "duration_ms", "first_word_ms")
    BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_WORD_MS_FIELD_NUMBER: _ClassVar[int]
    began_at: str
    provider: str
    model: str
    status: str
    fault: str
    attempt: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    duration_ms: float
    first_word_ms: float
    def __init__(self, began_at: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., status: _Optional[str] = ..., fault: _Optional[str] = ..., attempt: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ..., duration_ms: _Optional[float] = ..., first_word_ms: _Optional[float] = ...) -> None: ...

class ExecutedCall(_message.Message):
    __slots__ = ("began_at", "call_id", "name", "handler", "status", "duration_ms")
    BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    began_at: str
    call_id: str
    name: str
    handler: str
    status: str
    duration_ms: float
    def __init__(self, began_at: _Optional[str] = ..., call_id: _Optional[str] = ..., name: _Optional[str] = ..., handler: _Optional[str] = ..., status: _Optional[str] = ..., duration_ms: _Optional[float] = ...) -> None: ...

class RuntimeEvent(_message.Message):
    __slots__ = ("at", "kind", "detail")
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    at: str
    kind: str
    detail: str
    def __init__(self, at: _Optional[str] = ..., kind: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class EvalResult(_message.Message):
    __slots__ = ("turn", "at", "evaluation", "type", "source", "outcome", "score", "passed", "threshold", "explanation", "error", "duration_ms", "cost_usd")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    turn: int
    at: str
    evaluation: str
    type: str
    source: str
    outcome: str
    score: float
    passed: bool
    threshold: str
    explanation: str
    error: str
    duration_ms: float
    cost_usd: float
    def __init__(self, turn: _Optional[int] = ..., at: _Optional[str] = ..., evaluation: _Optional[str] = ..., type: _Optional[str] = ..., source: _Optional[str] = ..., outcome: _Optional[str] = ..., score: _Optional[float] = ..., passed: _Optional[bool] = ..., threshold: _Optional[str] = ..., explanation: _Optional[str] = ..., error: _Optional[str] = ..., duration_ms: _Optional[float] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class ConversationMessage(_message.Message):
    __slots__ = ("role", "content", "parts", "tool_calls", "tool_result", "finish_reason", "created_at", "pack_version", "variant", "variables")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_RESULT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PACK_VERSION_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    role: str
    content: str
    parts: _containers.RepeatedCompositeFieldContainer[ContentPart]
    tool_calls: _containers.RepeatedCompositeFieldContainer[ToolCall]
    tool_result: ToolResult
    finish_reason: str
    created_at: str
    pack_version: str
    variant: str
    variables: KeptVariables
    def __init__(self, role: _Optional[str] = ..., content: _Optional[str] = ..., parts: _Optional[_Iterable[_Union[ContentPart, _Mapping]]] = ..., tool_calls: _Optional[_Iterable[_Union[ToolCall, _Mapping]]] = ..., tool_result: _Optional[_Union[ToolResult, _Mapping]] = ..., finish_reason: _Optional[str] = ..., created_at: _Optional[str] = ..., pack_version: _Optional[str] = ..., variant: _Optional[str] = ..., variables: _Optional[_Union[KeptVariables, _Mapping]] = ...) -> None: ...

class KeptVariables(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.ScalarMap[str, str]
    def __init__(self, values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DescribeAgentRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeAgentResponse(_message.Message):
    __slots__ = ("pack", "versions", "variables", "tools", "template", "providers", "window_tokens", "window_strategy", "validators", "evals")
    PACK_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    VALIDATORS_FIELD_NUMBER: _ClassVar[int]
    EVALS_FIELD_NUMBER: _ClassVar[int]
    pack: str
    versions: _containers.RepeatedCompositeFieldContainer[PackVersion]
    variables: _containers.RepeatedCompositeFieldContainer[PromptVariable]
    tools: _containers.RepeatedCompositeFieldContainer[OfferedTool]
    template: str
    providers: _containers.RepeatedCompositeFieldContainer[ModelProvider]
    window_tokens: int
    window_strategy: str
    validators: _containers.RepeatedScalarFieldContainer[str]
    evals: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pack: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[PackVersion, _Mapping]]] = ..., variables: _Optional[_Iterable[_Union[PromptVariable, _Mapping]]] = ..., tools: _Optional[_Iterable[_Union[OfferedTool, _Mapping]]] = ..., template: _Optional[str] = ..., providers: _Optional[_Iterable[_Union[ModelProvider, _Mapping]]] = ..., window_tokens: _Optional[int] = ..., window_strategy: _Optional[str] = ..., validators: _Optional[_Iterable[str]] = ..., evals: _Optional[_Iterable[str]] = ...) -> None: ...

class PackVersion(_message.Message):
    __slots__ = ("version", "weight", "template")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    version: str
    weight: int
    template: str
    def __init__(self, version: _Optional[str] = ..., weight: _Optional[int] = ..., template: _Optional[str] = ...) -> None: ...

class PromptVariable(_message.Message):
    __slots__ = ("name", "type", "description", "required", "default_json", "enum_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_JSON_FIELD_NUMBER: _ClassVar[int]
    ENUM_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    description: str
    required: bool
    default_json: str
    enum_json: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., description: _Optional[str] = ..., required: _Optional[bool] = ..., default_json: _Optional[str] = ..., enum_json: _Optional[_Iterable[str]] = ...) -> None: ...

class OfferedTool(_message.Message):
    __slots__ = ("name", "description", "input_schema_json", "execution", "handler", "type", "unreachable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    input_schema_json: str
    execution: ToolExecution
    handler: str
    type: str
    unreachable: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., input_schema_json: _Optional[str] = ..., execution: _Optional[_Union[ToolExecution, str]] = ..., handler: _Optional[str] = ..., type: _Optional[str] = ..., unreachable: _Optional[bool] = ...) -> None: ...

class ModelProvider(_message.Message):
    __slots__ = ("name", "type", "model", "input_usd", "output_usd")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_USD_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_USD_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    model: str
    input_usd: float
    output_usd: float
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., model: _Optional[str] = ..., input_usd: _Optional[float] = ..., output_usd: _Optional[float] = ...) -> None: ...

class ComposePromptRequest(_message.Message):
    __slots__ = ("variables", "version")
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.ScalarMap[str, str]
    version: str
    def __init__(self, variables: _Optional[_Mapping[str, str]] = ..., version: _Optional[str] = ...) -> None: ...

class ComposePromptResponse(_message.Message):
    __slots__ = ("version", "pieces", "tokens", "tools", "missing", "problems")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    version: str
    pieces: _containers.RepeatedCompositeFieldContainer[PromptPiece]
    tokens: int
    tools: _containers.RepeatedScalarFieldContainer[str]
    missing: _containers.RepeatedScalarFieldContainer[str]
    problems: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., pieces: _Optional[_Iterable[_Union[PromptPiece, _Mapping]]] = ..., tokens: _Optional[int] = ..., tools: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[str]] = ..., problems: _Optional[_Iterable[str]] = ...) -> None: ...

class PromptPiece(_message.Message):
    __slots__ = ("text", "variable")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    text: str
    variable: str
    def __init__(self, text: _Optional[str] = ..., variable: _Optional[str] = ...) -> None: ...

class ListConversationsRequest(_message.Message):
    __slots__ = ("limit", "cursor")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    limit: int
    cursor: str
    def __init__(self, limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListConversationsResponse(_message.Message):
    __slots__ = ("conversations", "next", "unavailable")
    CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    conversations: _containers.RepeatedCompositeFieldContainer[ListedConversation]
    next: str
    unavailable: str
    def __init__(self, conversations: _Optional[_Iterable[_Union[ListedConversation, _Mapping]]] = ..., next: _Optional[str] = ..., unavailable: _Optional[str] = ...) -> None: ...

class ListedConversation(_message.Message):
    __slots__ = ("session_id", "session_name", "begun_at", "last_at", "ends_at", "turns", "status", "tokens", "cost_usd", "first_message")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_NAME_FIELD_NUMBER: _ClassVar[int]
    BEGUN_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    FIRST_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    session_name: str
    begun_at: str
    last_at: str
    ends_at: str
    turns: int
    status: str
    tokens: int
    cost_usd: float
    first_message: str
    def __init__(self, session_id: _Optional[str] = ..., session_name: _Optional[str] = ..., begun_at: _Optional[str] = ..., last_at: _Optional[str] = ..., ends_at: _Optional[str] = ..., turns: _Optional[int] = ..., status: _Optional[str] = ..., tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ..., first_message: _Optional[str] = ...) -> None: ...

class NameConversationRequest(_message.Message):
    __slots__ = ("session_id", "name")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    name: str
    def __init__(self, session_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class NameConversationResponse(_message.Message):
    __slots__ = ("state", "detail")
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    state: ResumeState
    detail: str
    def __init__(self, state: _Optional[_Union[ResumeState, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class DeleteConversationRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class DeleteConversationResponse(_message.Message):
    __slots__ = ("state", "detail")
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    state: ResumeState
    detail: str
    def __init__(self, state: _Optional[_Union[ResumeState, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class ForkConversationRequest(_message.Message):
    __slots__ = ("session_id", "new_session_id", "after_turn")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_TURN_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    new_session_id: str
    after_turn: int
    def __init__(self, session_id: _Optional[str] = ..., new_session_id: _Optional[str] = ..., after_turn: _Optional[int] = ...) -> None: ...

class ForkConversationResponse(_message.Message):
    __slots__ = ("state", "detail")
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    state: ForkState
    detail: str
    def __init__(self, state: _Optional[_Union[ForkState, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class DuplexStart(_message.Message):
    __slots__ = ("codec", "sample_rate", "channels", "system_instruction")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    codec: str
    sample_rate: int
    channels: int
    system_instruction: str
    def __init__(self, codec: _Optional[str] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., system_instruction: _Optional[str] = ...) -> None: ...

class AudioInputChunk(_message.Message):
    __slots__ = ("data", "sequence", "is_last")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    sequence: int
    is_last: bool
    def __init__(self, data: _Optional[bytes] = ..., sequence: _Optional[int] = ..., is_last: _Optional[bool] = ...) -> None: ...

class RuntimeHello(_message.Message):
    __slots__ = ("capabilities", "media")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    media: MediaNegotiation
    def __init__(self, capabilities: _Optional[_Iterable[str]] = ..., media: _Optional[_Union[MediaNegotiation, _Mapping]] = ...) -> None: ...

class MediaNegotiation(_message.Message):
    __slots__ = ("codec", "sample_rate", "channels", "frame_rate", "resolution")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    codec: str
    sample_rate: int
    channels: int
    frame_rate: int
    resolution: int
    def __init__(self, codec: _Optional[str] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., frame_rate: _Optional[int] = ..., resolution: _Optional[int] = ...) -> None: ...
