"""What the mock says: a pure choice from its response file and the conversation."""

import json
from typing import Any

import orjson
from msgspec import Struct

from omnia_core.conversation.parts import Part
from omnia_core.sessions import Message
from omnia_core.templates import Template, ValueMissing, lookup
from omnia_runtime.ports.model import ChatRequest, ProviderError, ToolCallRequest
from omnia_runtime.providers.mock.file import MockCall, Pace, Responses, Rule, Scenario, Turn
from omnia_runtime.providers.mock.media import media_parts

_NOT_JSON = object()


class Answer(Struct, frozen=True):
    """What to say, and how."""

    text: str
    calls: tuple[ToolCallRequest, ...] = ()
    pace: Pace = Pace()
    parts: tuple[Part, ...] = ()


def choose_answer(responses: Responses, request: ChatRequest, builtin: str) -> Answer:
    """Choose in this order: step, turn, matches, the scenario's default, the file's, `builtin`.

    Raises:
        ProviderError: a template of the file names a value that the conversation does not have.
    """
    metadata = request.metadata
    name = metadata.get("mock_scenario_id") or metadata.get("mock_scenario") or "default"
    scenario = responses.scenarios.get(name, Scenario())
    turn = scenario.steps.get(metadata.get("composition_step_id", "")) or scenario.turns.get(
        turn_number(request)
    )
    if turn is not None:
        return _scripted(turn, request, responses.pace)
    matched = _first_match((*scenario.rules, *responses.rules), request, responses.pace)
    if matched is not None:
        return matched
    for text in (scenario.default, responses.default):
        if text is not None:
            return Answer(text, pace=responses.pace)
    return Answer(builtin, pace=responses.pace)


def turn_number(request: ChatRequest) -> int:
    """Count the turns as the model sees them: each of its messages so far was one."""
    said = sum(message.role == "assistant" for message in request.messages)
    wanted = request.metadata.get("mock_turn_number", "")
    return max(said + 1, int(wanted) if wanted.isdecimal() else 0)


def _scripted(turn: Turn, request: ChatRequest, pace: Pace) -> Answer:
    calls = _calls(turn.tool_calls, request)
    return Answer(turn.said(), calls, turn.over(pace), tuple(media_parts(turn.parts)))


def _first_match(rules: tuple[Rule, ...], request: ChatRequest, pace: Pace) -> Answer | None:
    last = request.messages[-1] if request.messages else Message("user")
    subject = "tool_result" if last.role == "tool" else "message"
    for rule in rules:
        if rule.match.when == subject:
            groups = _groups(rule, last.content)
            if groups is not None:
                return _rendered(rule, {**_values(request), **groups}, request, pace)
    return None


def _groups(rule: Rule, text: str) -> dict[str, Any] | None:
    """Return the named groups of a match, or None when the text does not match."""
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
    """Return what a template may use."""
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


def _rendered(rule: Rule, values: dict[str, Any], request: ChatRequest, pace: Pace) -> Answer:
    def fill(tree: Any) -> Any:
        if isinstance(tree, Template):
            return tree.value(values)
        if isinstance(tree, dict):
            return {key: fill(each) for key, each in tree.items()}
        return [fill(each) for each in tree] if isinstance(tree, list) else tree

    try:
        text = rule.content.render(values) if rule.content else ""
        if rule.json is not None:
            text += json.dumps(fill(rule.json), ensure_ascii=False)
        calls = [MockCall(call.name, fill(call.arguments)) for call in rule.calls]
    except ValueMissing as error:
        raise ProviderError(f"the mock's response file: {error}") from error
    return Answer(text, _calls(calls, request), rule.match.over(pace))


def _calls(calls: "list[MockCall]", request: ChatRequest) -> tuple[ToolCallRequest, ...]:
    """Number the calls; a number that the conversation has used already is passed over."""
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


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _NOT_JSON
