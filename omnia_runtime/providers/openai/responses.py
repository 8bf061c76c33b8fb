"""OpenAI's Responses API, without its server-side state: request body and streamed answer."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

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
)
from omnia_runtime.providers.openai.chat import offers_tools, schema_name, stream_failure
from omnia_runtime.providers.openai.media import (
    Input,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    message_inputs,
    result_inputs,
)
from omnia_runtime.providers.openai.models import family_of, reasons
from omnia_runtime.providers.vendor_errors import VendorFailure

_NOTHING = Raw()
_TEXT = "response.output_text.delta"
_REASONS: dict[str, FinishReason] = {
    "max_output_tokens": "max_output_tokens",
    "content_filter": "safety",
}


def responses_body(config: ProviderConfig, request: ChatRequest) -> JsonObject:
    """Map a request. Parameters that are not set are left out, so that the server's defaults hold.

    Raises:
        VendorFailure: the API does not accept the media of a message.
    """
    body: JsonObject = {
        "model": config.model,
        "input": [item for message in request.messages for item in _items(config, message)],
        "stream": True,
        # The runtime stores the conversation, and sends all of it.
        "store": False,
    }
    if request.system:
        body["instructions"] = request.system
    if offers_tools(config, request):
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice
        if config.openai.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = config.openai.parallel_tool_calls
    if request.output:
        body["text"] = {"format": _format(request.output)}
    if family_of(config).effort:
        body["include"] = ["reasoning.encrypted_content"]
    if config.openai.reasoning_effort:
        body["reasoning"] = {"effort": config.openai.reasoning_effort}
    return body | _parameters(config, request.parameters)


def _items(config: ProviderConfig, message: Message) -> list[JsonObject]:
    if message.role == "tool":
        return [
            {
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": _output(message),
            }
        ]
    if message.role == "user" and message.parts:
        return [{"role": "user", "content": _content(message_inputs(message))}]
    items: list[JsonObject] = []
    # An answer that was cut before its first word is empty.
    if message.content or message.role != "assistant":
        items.append({"role": message.role, "content": message.content})
    for call in message.tool_calls:
        items += unpacked_reasoning(call.opaque, config.model)
        items.append(
            {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return items


def _output(message: Message) -> str | list[JsonObject]:
    media = result_inputs(message.parts)
    return _content([InputText(message.content), *media]) if media else message.content


def _content(inputs: Iterable[Input]) -> list[JsonObject]:
    return [_content_part(content) for content in inputs]


def _content_part(content: Input) -> JsonObject:
    match content:
        case InputText(text):
            return {"type": "input_text", "text": text}
        case InputImage(url):
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        case InputAudio(data, format_):
            return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}
        case InputFile(url=url) if url:
            return {"type": "input_file", "file_url": url}
        case InputFile(name, data_url):
            return {"type": "input_file", "filename": name, "file_data": data_url}


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        # Strict mode, this API's default, supports only a subset of JSON Schema.
        "strict": False,
    }


def _format(output: OutputSchema) -> JsonObject:
    return {
        "type": "json_schema",
        "name": schema_name(output),
        "schema": output.schema,
        "strict": False,
    }


def _parameters(config: ProviderConfig, parameters: Parameters) -> JsonObject:
    # The API has no frequency and presence penalties.
    values: dict[str, Any] = {"max_output_tokens": parameters.max_tokens}
    if not reasons(config):
        values |= {"temperature": parameters.temperature, "top_p": parameters.top_p}
    return {name: value for name, value in values.items() if value is not None}


class _Reasoning(Struct, frozen=True):
    """The reasoning items before a call, encrypted; only the model that wrote them can read them.

    A model that gets them back continues its reasoning, instead of beginning again.
    """

    model: str
    items: list[JsonObject]
    vendor: str = "openai"


def packed_reasoning(model: str, items: Sequence[Raw]) -> str:
    """Pack reasoning items into the `opaque` text of a tool call."""
    if not items:
        return ""
    kept = [msgspec.json.decode(item, type=JsonObject) for item in items]
    return msgspec.json.encode({"vendor": "openai", "model": model, "items": kept}).decode()


def unpacked_reasoning(opaque: str, model: str) -> list[JsonObject]:
    """Return the reasoning items in an `opaque` text; none if another model wrote it."""
    if not opaque:
        return []
    try:
        found = msgspec.json.decode(opaque, type=_Reasoning)
    except msgspec.DecodeError:
        return []
    return found.items if (found.vendor, found.model) == ("openai", model) else []


class _Event(Struct, gc=False):
    type: str
    delta: str | None = None
    item: Raw = _NOTHING
    response: Raw = _NOTHING
    error: Raw = _NOTHING


class _Item(Struct):
    type: str
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    status: str | None = None


class _Details(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _Details | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Raw = _NOTHING


_decode = msgspec.json.Decoder(_Event).decode


class ResponseStream:
    """Reads the events of one answer.

    Attributes:
        done: whether the answer is complete.
        cache_writes: input tokens that were written to the vendor's cache.
    """

    def __init__(self, model: str) -> None:
        self.done = False
        self.cache_writes = 0
        self._model = model
        self._reasoning: list[Raw] = []
        self._calls: list[ToolCallRequest] = []
        self._reason: FinishReason = "stop"
        self._refused = False
        self._has_text = False
        self._separator = ""
        self._usage = Usage()

    def read(self, data: bytes) -> str:
        """Process the data of an event, and return the text in it.

        Raises:
            VendorFailure: the event is malformed, or reports an error.
        """
        try:
            event = _decode(data)
            if event.type == _TEXT and event.delta:
                return self._text(event.delta)
            return self._event(event, data)
        except msgspec.DecodeError as error:
            if data == b"[DONE]":
                return ""
            raise VendorFailure(f"sent a malformed event: {error}") from error

    def _text(self, text: str) -> str:
        self._has_text = True
        if self._separator:
            text, self._separator = self._separator + text, ""
        return text

    def _event(self, event: _Event, data: bytes) -> str:
        match event.type:
            case "response.refusal.delta":
                self._refused = True
                return self._text(event.delta or "")
            case "response.output_item.done":
                self._item(event.item)
            case "response.completed" | "response.incomplete":
                self._finish(msgspec.json.decode(event.response, type=_Response))
            case "response.failed":
                failed = msgspec.json.decode(event.response, type=_Response)
                raise stream_failure(bytes(failed.error))
            case "error":
                raise stream_failure(bytes(event.error) or data)
            case _:
                pass
        return ""

    def _item(self, raw: Raw) -> None:
        item = msgspec.json.decode(raw, type=_Item)
        if item.type == "reasoning":
            self._reasoning.append(raw.copy())
        elif item.type == "message":
            # The text of a further message is a new paragraph.
            self._separator = "\n\n" if self._has_text else ""
        # A call that the token limit cut has half of its arguments.
        elif item.type == "function_call" and item.status != "incomplete":
            opaque = packed_reasoning(self._model, self._reasoning)
            self._reasoning = []
            self._calls.append(
                ToolCallRequest(item.call_id, item.name, item.arguments or "{}", opaque)
            )

    def _finish(self, response: _Response) -> None:
        self.done = True
        if response.incomplete_details:
            self._reason = _REASONS.get(response.incomplete_details.reason or "", "stop")
        elif self._calls:
            self._reason = "tool_use"
        usage = response.usage or _Usage()
        details = usage.input_tokens_details or _Details()
        self.cache_writes = details.cache_write_tokens or 0
        self._usage = Usage(usage.input_tokens, usage.output_tokens, details.cached_tokens or 0)

    def finish(self) -> list[ModelEvent]:
        """Return the events that remain when the stream has ended.

        Raises:
            VendorFailure: the stream ended before the answer did.
        """
        if not self.done:
            raise VendorFailure("ended its stream before its answer", retry=True)
        return [*self._calls, Finished("refusal" if self._refused else self._reason, self._usage)]
