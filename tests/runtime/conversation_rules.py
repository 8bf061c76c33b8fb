"""The rules of the vendors for the messages of a request, written down from their errors and pages.

Each function takes the body of a request, and yields what a vendor would refuse in it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_GEMINI_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_CLAUDE_ID = re.compile(r"[a-zA-Z0-9_-]+")
_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_OPENAI_ID_LENGTH = 40
_RESPONSES_ID_LENGTH = 64
_CACHE_MARKS = 4
_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")


def chat_refusals(body: Any, *, host: str = "") -> Iterator[str]:
    """Check chat completions: by OpenAI's rules, and those of the host, or of chat templates."""
    messages = list(body["messages"])
    if messages and messages[0]["role"] == "system":
        yield from _blank(messages.pop(0)["content"], "the system prompt")
    roles = [message["role"] for message in messages]
    if roles[-1:] not in (["user"], ["tool"]):
        yield "an answer at the end"
    if host != "api.openai.com":
        yield from _order(roles)
    made = [(message["role"], call) for message in messages for call in _calls_of(message)]
    for role, call in made:
        if role != "assistant":
            yield f"a call of the {role}"
        yield from _call(call["function"]["name"], call["function"]["arguments"], _NAME)
        yield from _id(call["id"], host)
    yield from _unique([call["id"] for _, call in made])
    yield from _matches(
        (
            [call["id"] for call in _calls_of(message)],
            [message["tool_call_id"]] if message["role"] == "tool" else [],
        )
        for message in messages
    )
    for message in messages:
        if not _calls_of(message):
            yield from _blank(message["content"], f"a message of the {message['role']}")


def responses_refusals(body: Any) -> Iterator[str]:
    """Check the Responses API without stored state."""
    items = [item if "type" in item else {"type": "message", **item} for item in body["input"]]
    for item, following in pairwise([*items, {"type": "end"}]):
        match item["type"]:
            case "reasoning":
                if following["type"] not in ("function_call", "reasoning"):
                    yield "reasoning without its following item"
                if not (item.get("encrypted_content") or item.get("content")):
                    yield "reasoning that is stored nowhere"
            case "function_call":
                yield from _call(item["name"], item["arguments"], _NAME)
                if not 0 < len(item["call_id"]) <= _RESPONSES_ID_LENGTH:
                    yield f"the id {item['call_id']!r}"
            case "function_call_output":
                yield from _blank(item["output"], "an output")
            case _:
                yield from _blank(item["content"], f"a message of the {item['role']}")
    yield from _unique([item["call_id"] for item in items if item["type"] == "function_call"])
    yield from _matches(
        (
            [item["call_id"]] if item["type"] == "function_call" else [],
            [item["call_id"]] if item["type"] == "function_call_output" else [],
        )
        for item in items
        # Parallel calls stand one after another, with reasoning between them.
        if item["type"] != "reasoning"
    )


def claude_refusals(body: Any) -> Iterator[str]:
    """Check the Messages API."""
    messages = body["messages"]
    if json.dumps(body).count('"cache_control"') > _CACHE_MARKS:
        yield "too many marks for the cache"
    for block in body.get("system", []):
        yield from _blank(block["text"], "the system prompt")
    roles = [message["role"] for message in messages]
    if roles[:1] != ["user"] or roles[-1:] != ["user"] or any(a == b for a, b in pairwise(roles)):
        yield f"the roles {roles}"
    waiting: list[str] = []
    for message in messages:
        kinds = [block["type"] for block in message["content"]]
        results = [block for block in message["content"] if block["type"] == "tool_result"]
        if sorted(block["tool_use_id"] for block in results) != sorted(waiting):
            yield "calls and results that do not match"
        if not kinds or kinds[: len(results)] != ["tool_result"] * len(results):
            yield f"content in the wrong order: {kinds}"
        if {"thinking", "redacted_thinking"} & {*kinds[1:]} - {*kinds[:1]}:
            yield "an answer with thoughts that does not begin with them"
        waiting = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        for block in message["content"]:
            yield from _claude_block(block)
    yield from _unique(
        [
            block["id"]
            for message in messages
            for block in message["content"]
            if block["type"] == "tool_use"
        ]
    )


def gemini_refusals(body: Any, *, signed: bool = True) -> Iterator[str]:
    """Check generateContent; `signed` says whether the model signs its calls."""
    contents = body["contents"]
    for part in body.get("systemInstruction", {}).get("parts", []):
        yield from _blank(part["text"], "the system prompt")
    roles = [content["role"] for content in contents]
    if roles[:1] != ["user"] or roles[-1:] != ["user"]:
        yield f"the roles {roles}"
    waiting: list[str] = []
    for previous, content in pairwise([{"role": ""}, *contents]):
        parts = content["parts"]
        if not parts:
            yield "an empty content"
        for part in parts:
            yield from _gemini_part(part)
        calls = [part for part in parts if "functionCall" in part]
        returned = [
            part["functionResponse"]["name"] for part in parts if "functionResponse" in part
        ]
        if returned != waiting:
            yield "responses that do not match their calls"
        if calls and previous["role"] != "user":
            yield "a call that follows no turn of the user"
        if calls and signed and not calls[0].get("thoughtSignature"):
            yield "a call without a signature"
        waiting = [part["functionCall"]["name"] for part in calls]


def _gemini_part(part: Any) -> Iterator[str]:
    if sum(name in part for name in _DATA) != 1:
        yield f"the part {part}"
    if "text" in part:
        yield from _blank(part["text"], "a text")
    if "functionCall" in part:
        call = part["functionCall"]
        yield from _call(call["name"], json.dumps(call["args"]), _GEMINI_NAME)
    if "functionResponse" in part and not isinstance(part["functionResponse"]["response"], dict):
        yield "a response that is no object"


def _calls_of(message: Any) -> list[Any]:
    return message.get("tool_calls") or []


def _order(roles: Sequence[str]) -> Iterator[str]:
    """Check the order that Mistral and chat templates want."""
    for previous, role in pairwise(["", *roles]):
        if role == "user" and previous in ("user", "tool"):
            yield f"a message of the user after one of the {previous}"
        if role == "assistant" and previous in ("", "assistant"):
            yield f"an answer after {previous or 'nothing'}"


def _matches(steps: Iterable[tuple[list[str], list[str]]]) -> Iterator[str]:
    """Check that the results of calls follow them; a step is the ids of its calls and results."""
    waiting: list[str] = []
    for made, returned in steps:
        for call_id in returned:
            if call_id not in waiting:
                yield "a result without its call"
        waiting = [call_id for call_id in waiting if call_id not in returned]
        if waiting and not (made or returned):
            yield "a call without its result"
        waiting += made
    if waiting:
        yield "a call without its result"


def _unique(ids: Sequence[str]) -> Iterator[str]:
    if len(set(ids)) < len(ids):
        yield "an id twice"


def _claude_block(block: Any) -> Iterator[str]:
    match block["type"]:
        case "text":
            yield from _blank(block["text"], "a text")
        case "tool_use":
            yield from _call(block["name"], json.dumps(block["input"]), _NAME)
            if not _CLAUDE_ID.fullmatch(block["id"]):
                yield f"the id {block['id']}"
        case "tool_result":
            yield from _blank(block["content"], "a result")
            if block.get("is_error") and not isinstance(block["content"], str):
                yield "an error with media"
        case "thinking":
            if not block["signature"]:
                yield "thoughts without a signature"
        case _:
            pass


def _call(name: str, arguments: Any, pattern: re.Pattern[str]) -> Iterator[str]:
    if not pattern.fullmatch(name):
        yield f"the name {name!r}"
    if not isinstance(arguments, str) or not isinstance(json.loads(arguments), dict):
        yield f"the arguments {arguments!r}"


def _id(call_id: str, host: str) -> Iterator[str]:
    # OpenAI, or what may be OpenAI behind another host.
    if not call_id or (host and len(call_id) > _OPENAI_ID_LENGTH):
        yield f"the id {call_id!r}"
    if host == "api.mistral.ai" and not _MISTRAL_ID.fullmatch(call_id):
        yield f"the id {call_id!r}"


def _blank(content: Any, what: str) -> Iterator[str]:
    if not content:
        yield f"{what} is empty"
    for part in [content] if isinstance(content, str) else content or []:
        text = part if isinstance(part, str) else part.get("text", "x")
        if not text.strip():
            yield f"{what} is blank"
