"""The model of the type mock: answers come from a file of responses."""

import asyncio
import json
import mimetypes
import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson
from msgspec import Struct

from omnia_core.conversation.parts import MEDIA_TYPES, Media, Part
from omnia_core.conversation.usage import Usage
from omnia_core.files.mock_responses import (
    MockCall,
    MockError,
    MockPlayback,
    MockResponses,
    MockRule,
    MockScenario,
    MockTurn,
)
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import parse_json
from omnia_core.sessions import Message
from omnia_core.templates import Template, ValueMissing, lookup
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    MediaProduced,
    ModelEvent,
    ProviderError,
    TextDelta,
    ToolCallRequest,
    is_retryable,
)
from omnia_runtime.providers.advice import advice_on
from omnia_runtime.providers.pricing import prices_of

_NOT_JSON = object()
_ANY_TYPE = "application/octet-stream"


class MockAnswer(Struct, frozen=True):
    """An answer, and how it is played back."""

    text: str
    calls: tuple[ToolCallRequest, ...] = ()
    playback: MockPlayback = MockPlayback()
    parts: tuple[Part, ...] = ()


def choose_answer(responses: MockResponses, request: ChatRequest, builtin: str) -> MockAnswer:
    """Choose in this order: step, turn, matches, default of the scenario, of the file, `builtin`.

    Raises:
        ProviderError: a template of the file uses a value that the conversation does not have.
    """
    metadata = request.metadata
    name = metadata.get("mock_scenario_id") or metadata.get("mock_scenario") or "default"
    scenario = responses.scenarios.get(name, MockScenario())
    turn = scenario.steps.get(metadata.get("composition_step_id", "")) or scenario.turns.get(
        turn_number(request)
    )
    if turn is not None:
        return _scripted(turn, request, responses.playback)
    matched = _first_match((*scenario.rules, *responses.rules), request, responses.playback)
    if matched is not None:
        return matched
    for text in (scenario.default, responses.default):
        if text is not None:
            return MockAnswer(text, playback=responses.playback)
    return MockAnswer(builtin, playback=responses.playback)


def turn_number(request: ChatRequest) -> int:
    """Count the turns as the model sees them: one for each of its messages so far."""
    previous = sum(message.role == "assistant" for message in request.messages)
    wanted = request.metadata.get("mock_turn_number", "")
    return max(previous + 1, int(wanted) if wanted.isdecimal() else 0)


def _scripted(turn: MockTurn, request: ChatRequest, playback: MockPlayback) -> MockAnswer:
    calls = _calls(turn.tool_calls, request)
    return MockAnswer(
        turn.answer_text(), calls, turn.over(playback), tuple(_media_parts(turn.parts))
    )


def _first_match(
    rules: tuple[MockRule, ...], request: ChatRequest, playback: MockPlayback
) -> MockAnswer | None:
    last = request.messages[-1] if request.messages else Message("user")
    subject = "tool_result" if last.role == "tool" else "message"
    for rule in rules:
        if rule.match.when == subject:
            groups = _groups(rule, last.content)
            if groups is not None:
                return _rendered(rule, {**_values(request), **groups}, request, playback)
    return None


def _groups(rule: MockRule, text: str) -> dict[str, Any] | None:
    """Return the named groups of a match, None when the text does not match."""
    if rule.path is not None:
        value = lookup(rule.path, _json(text), _NOT_JSON)
        if value is _NOT_JSON:
            return None
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    wanted = rule.match.contains
    if wanted is not None and wanted.casefold() not in text.casefold():
        return None
    if rule.pattern is None:
        return {}
    found = rule.pattern.search(text)
    return None if found is None else {k: v for k, v in found.groupdict().items() if v is not None}


def _values(request: ChatRequest) -> dict[str, Any]:
    """Return the values for templates."""
    values: dict[str, Any] = {"message": ""}
    for message in reversed(request.messages):
        parsed = _json(message.content)
        if message.role == "tool" and "tool_result" not in values:
            values["tool_result"] = message.content if parsed is _NOT_JSON else parsed
        if message.role == "user":
            values["message"] = message.content
            if parsed is not _NOT_JSON:
                values["input"] = parsed
            break
    return values


def _rendered(
    rule: MockRule, values: dict[str, Any], request: ChatRequest, playback: MockPlayback
) -> MockAnswer:
    def fill(tree: Any) -> Any:
        if isinstance(tree, Template):
            return tree.value(values)
        if isinstance(tree, dict):
            return {key: fill(value) for key, value in tree.items()}
        return [fill(item) for item in tree] if isinstance(tree, list) else tree

    try:
        text = rule.content.render(values) if rule.content else ""
        if rule.json is not None:
            text += json.dumps(fill(rule.json), ensure_ascii=False)
        calls = [MockCall(call.name, fill(call.arguments)) for call in rule.calls]
    except ValueMissing as error:
        raise ProviderError(f"the mock's response file: {error}") from error
    return MockAnswer(text, _calls(calls, request), rule.match.over(playback))


def _calls(calls: "list[MockCall]", request: ChatRequest) -> tuple[ToolCallRequest, ...]:
    """Number the calls; a number that the conversation has already used is skipped."""
    used = {call.id for message in request.messages for call in message.tool_calls}
    numbered = []
    for index, call in enumerate(calls):
        number = index
        while f"call_{number}_{call.name}" in used:
            number += 1
        call_id = f"call_{number}_{call.name}"
        used.add(call_id)
        numbered.append(ToolCallRequest(call_id, call.name, orjson.dumps(call.arguments).decode()))
    return tuple(numbered)


def _media_parts(parts: Iterable[dict[str, Any]]) -> Iterator[Part]:
    """Yield the media parts of a scripted turn: `{type: image, image_url: {url}}`."""
    for part in parts:
        part_type = part.get("type")
        link = part.get(f"{part_type}_url")
        if part_type in MEDIA_TYPES and isinstance(link, dict) and link.get("url"):
            url = str(link["url"])
            mime_type = link.get("mime_type") or _mime_type(url)
            yield Part(str(part_type), media=Media(mime_type, url=url))


def _mime_type(url: str) -> str:
    if url.startswith("data:"):
        return url.removeprefix("data:").partition(",")[0].partition(";")[0] or "text/plain"
    parts = urlsplit(url)
    return mimetypes.guess_type(parts.path or parts.netloc)[0] or _ANY_TYPE


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return _NOT_JSON


_WORD = re.compile(r"\S*\s*", re.DOTALL)
_STATUS = {"rate_limit": 429, "overloaded": 529, "timeout": 504, "auth": 401, "invalid": 400}
_LEAST_INPUT, _LEAST_OUTPUT = 10, 20
_CHARACTERS_PER_TOKEN = 4


class MockModel:
    """A model that answers from its response file."""

    def __init__(self, config: ProviderConfig, responses: MockResponses | None) -> None:
        self._responses = responses or MockResponses()
        self._builtin = f"Mock response from {config.name} model {config.model}".rstrip()
        self._prices = prices_of(config)
        self._name = config.name

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = choose_answer(self._responses, request, self._builtin)
        playback = answer.playback
        await asyncio.sleep((playback.latency_ms or 0) / 1000)
        pause = (playback.inter_chunk_ms or 0) / 1000
        # A failure without a text fails immediately.
        if playback.error and not answer.text:
            raise self._failure(playback.error)
        clock = asyncio.get_running_loop().time
        due = clock()
        for number, chunk in enumerate(split(answer.text, playback.chunk_size)):
            if pause and number:
                # Counted from the beginning, so that delays do not add up.
                due += pause
                await asyncio.sleep(max(0.0, due - clock()))
            yield TextDelta(chunk)
        if playback.error:
            raise self._failure(playback.error)
        for part in answer.parts:
            yield MediaProduced(part)
        for call in answer.calls:
            yield call
        usage = self._prices.priced(_usage(answer, request))
        yield Finished("tool_use" if answer.calls else "stop", usage)

    def _failure(self, error: MockError) -> ProviderError:
        status = error.status or _STATUS.get(error.kind, 0)
        retryable = error.kind == "connection" or is_retryable(status)
        message = error.message or f"the mock provider simulates a failure: {error.kind or status}"
        wait = error.retry_after
        advice = advice_on(
            "mock", self._name, message, status=status, retryable=retryable, retry_after=wait
        )
        return ProviderError(
            message, retryable=retryable, status=status, retry_after=wait, advice=advice
        )


def split(text: str, size: int | None) -> Iterator[str]:
    """Split a text into words with their spaces, or into chunks of `size` characters."""
    if size and size > 0:
        yield from (text[start : start + size] for start in range(0, len(text), size))
    else:
        yield from (match[0] for match in _WORD.finditer(text) if match[0])


def _usage(answer: MockAnswer, request: ChatRequest) -> Usage:
    length = len(request.system) + sum(len(message.content) for message in request.messages)
    counted = Usage(
        max(length // _CHARACTERS_PER_TOKEN, _LEAST_INPUT),
        max(len(answer.text) // _CHARACTERS_PER_TOKEN, _LEAST_OUTPUT),
    )
    claimed = answer.playback.usage
    if claimed is None:
        return counted
    return Usage(
        counted.input_tokens if claimed.input_tokens is None else claimed.input_tokens,
        counted.output_tokens if claimed.output_tokens is None else claimed.output_tokens,
    )
