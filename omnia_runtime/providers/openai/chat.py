"""OpenAI's chat completions: the body of a request, and the events of a streamed answer."""

import re
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, field

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.usage import Usage
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    ModelEvent,
    OutputSchema,
    ToolCallRequest,
    ToolSpec,
    is_retryable,
)
from omnia_runtime.providers.openai.media import (
    Input,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    message_inputs,
    result_inputs,
)
from omnia_runtime.providers.openai.models import at_openai, reasons
from omnia_runtime.providers.openai.reasoning import NOTHING, CollectedReasoning, add_reasoning
from omnia_runtime.providers.vendor_errors import VendorFailure
from omnia_runtime.providers.vendor_request import check_base_url
from omnia_runtime.providers.vendor_stream import complete_calls

_BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
}
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "length": "max_output_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "safety",
}
_RETRYABLE = frozenset(
    {"server_error", "rate_limit_exceeded", "overloaded_error", "vector_store_timeout"}
)


def api_url(config: ProviderConfig, path: str) -> str:
    """Return the URL of an API, such as `/chat/completions`.

    Raises:
        ValueError: the base URL is invalid.
    """
    base = config.base_url or _BASE_URLS[config.type]
    check_base_url(base)
    return base.rstrip("/") + path


def chat_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request. Parameters that are not set are left out, so that the server's defaults hold.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    body: JsonObject = {
        "model": config.model,
        "messages": _messages(config, request),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if offers_tools(config, request):
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice
        if config.openai.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = config.openai.parallel_tool_calls
    if request.output:
        body["response_format"] = _response_format(request.output)
    return body | _parameters(config, request.parameters)


def offers_tools(config: ProviderConfig, request: ChatRequest) -> bool:
    """Whether to send the tools.

    They are sent even when none may be called, so that the request begins like the ones before it,
    which the vendor has cached. Only Ollama would call them nevertheless.
    """
    forbidden = request.tool_choice == "none" and config.type == "ollama"
    return bool(request.tools) and not forbidden


def schema_name(output: OutputSchema) -> str:
    """Return the name of a schema in the characters that the APIs accept."""
    return _NOT_IN_NAME.sub("_", output.name)[:64]


def _messages(config: ProviderConfig, request: ChatRequest) -> list[JsonObject]:
    mapped: list[JsonObject] = []
    if request.system:
        mapped.append({"role": "system", "content": request.system})
    returned: list[JsonObject] = []
    for message in request.messages:
        if message.role == "tool":
            returned += _returned(message)
        elif returned:
            mapped.append({"role": "user", "content": returned})
            returned = []
        # An answer that was cut before its first word is empty.
        if message.content or message.tool_calls or message.role != "assistant":
            mapped.append(_message(config, message))
    if returned:
        mapped.append({"role": "user", "content": returned})
    return mapped


def _message(config: ProviderConfig, message: Message) -> JsonObject:
    if message.role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.tool_call_id,
            "content": message.content,
        }
    if message.role == "user" and message.parts:
        return {"role": "user", "content": _content(message_inputs(message))}
    mapped: JsonObject = {"role": message.role, "content": message.content}
    if message.tool_calls:
        mapped["content"] = message.content or None
        mapped["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.role == "assistant":
        add_reasoning(mapped, message, config)
    return mapped


def _returned(message: Message) -> list[JsonObject]:
    """A tool message holds only text: media go into a user message after the tool messages."""
    media = result_inputs(message.parts)
    if not media:
        return []
    return _content([InputText(f"The tool call {message.tool_call_id} returned:"), *media])


def _content(inputs: Iterable[Input]) -> list[JsonObject]:
    return [_content_part(content) for content in inputs]


def _content_part(content: Input) -> JsonObject:
    match content:
        case InputText(text):
            return {"type": "text", "text": text}
        case InputImage(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case InputAudio(data, format_):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}
        case InputFile(url=url) if url:
            raise VendorFailure(
                "accepts a document by its URL only through the Responses API: send its data, or "
                "set openai.api: responses in the Provider"
            )
        case InputFile(name, data_url):
            return {"type": "file", "file": {"filename": name, "file_data": data_url}}


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.input_schema,
        },
    }


def _response_format(output: OutputSchema) -> JsonObject:
    # Not strict: strict mode supports a subset of JSON Schema, and the facade checks all of it.
    return {
        "type": "json_schema",
        "json_schema": {"name": schema_name(output), "schema": output.schema},
    }


def _parameters(config: ProviderConfig, parameters: Parameters) -> JsonObject:
    # OpenAI renamed the limit; most compatible servers know only the old name.
    limit = "max_completion_tokens" if at_openai(config) else "max_tokens"
    values: dict[str, Any] = {
        limit: parameters.max_tokens,
        "reasoning_effort": config.openai.reasoning_effort,
    }
    if not reasons(config):
        values |= {
            "temperature": parameters.temperature,
            "top_p": parameters.top_p,
            "frequency_penalty": parameters.frequency_penalty,
            "presence_penalty": parameters.presence_penalty,
        }
    if config.type == "vllm":
        values["top_k"] = parameters.top_k
    return {name: value for name, value in values.items() if value is not None}


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _CallDelta(Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: _Function = field(default_factory=_Function)
    extra_content: msgspec.Raw = NOTHING


class _Delta(Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: msgspec.Raw = NOTHING
    reasoning: msgspec.Raw = NOTHING
    reasoning_details: msgspec.Raw = NOTHING
    tool_calls: list[_CallDelta] | None = None


class _Choice(Struct, gc=False):
    delta: _Delta = field(default_factory=_Delta)
    finish_reason: str | None = None


class _Details(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] = field(default_factory=list)
    usage: _Usage | None = None
    error: msgspec.Raw = NOTHING


class _Call:
    """A tool call that arrives in pieces."""

    __slots__ = ("arguments", "extra", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.extra = b""


_decode = msgspec.json.Decoder(_Chunk).decode


class ChatStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the answer is complete.
        cache_writes: input tokens that were written to the vendor's cache.
    """

    def __init__(self, model: str = "") -> None:
        self.done = False
        self.cache_writes = 0
        self._model = model
        self._reasoning = CollectedReasoning()
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._reason: str | None = None
        self._refused = False
        self._usage = Usage()

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the chunk is malformed, or reports an error.
        """
        if data == b"[DONE]":
            self.done = True
            return ""
        try:
            chunk = _decode(data)
        except msgspec.DecodeError as error:
            raise VendorFailure(f"sent a malformed chunk: {error}") from error
        if chunk.error is not NOTHING and bytes(chunk.error) != b"null":
            raise stream_failure(bytes(chunk.error))
        if chunk.usage is not None:
            self._count(chunk.usage)
        return self._choice(chunk.choices[0]) if chunk.choices else ""

    def _choice(self, choice: _Choice) -> str:
        self._reason = choice.finish_reason or self._reason
        delta = choice.delta
        for call in delta.tool_calls or ():
            self._continue_call(call)
        if delta.refusal:
            self._refused = True
            return delta.refusal
        if delta.content:
            return delta.content
        self._reasoning.add(delta.reasoning_content, delta.reasoning, delta.reasoning_details)
        return ""

    def _continue_call(self, delta: _CallDelta) -> None:
        call = self._slots.get(delta.index)
        # Some compatible servers give every call the index 0: a new id is a new call.
        if call is None or (delta.id and call.id and delta.id != call.id):
            call = self._slots[delta.index] = _Call()
            self._calls.append(call)
        call.id = delta.id or call.id
        call.name = delta.function.name or call.name
        if delta.function.arguments:
            call.arguments.append(delta.function.arguments)
        if delta.extra_content is not NOTHING:
            call.extra = bytes(delta.extra_content)

    def _count(self, usage: _Usage) -> None:
        details = usage.prompt_tokens_details or _Details()
        self.cache_writes = details.cache_write_tokens or 0
        cached = details.cached_tokens or 0
        self._usage = Usage(usage.prompt_tokens, usage.completion_tokens, cached)

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did.
        """
        if self._reason is None and not self.done:
            raise VendorFailure("ended its stream before its answer", retry=True)
        reason = _REASONS.get(self._reason or "stop", "stop")
        if self._refused:
            reason = "refusal"
        elif self._calls and reason == "stop":
            reason = "tool_use"
        calls = [
            ToolCallRequest(
                call.id or f"call_{secrets.token_hex(8)}",
                call.name,
                "".join(call.arguments) or "{}",
            )
            for call in self._calls
        ]
        calls = self._reasoning.packed(calls, self._model, [call.extra for call in self._calls])
        if reason == "max_output_tokens":
            calls = complete_calls(calls)
        return [*calls, Finished(reason, self._usage)]


class _StreamError(Struct):
    """An error object; compatible servers put the HTTP status into `code`."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None


def stream_failure(data: bytes) -> VendorFailure:
    """Return the failure that a stream reports as an error object or as a text."""
    try:
        error = msgspec.json.decode(data, type=_StreamError | str)
    except msgspec.DecodeError:
        error = _StreamError()
    if isinstance(error, str):
        error = _StreamError(error)
    code = str(error.code or "")
    status = int(code) if code.isdecimal() else 0
    retry = code in _RETRYABLE or error.type in _RETRYABLE or is_retryable(status)
    reason = error.message or error.type or code or "no reason given"
    return VendorFailure(f"broke off: {reason[:300]}", status=status, retry=retry)
