"""Corrects the result of an MCP tool before the SDK reads it, so that a wrong part costs itself."""

from typing import Any

from omnia_core.jsonvalue import JsonObject, json_bytes

_MAX_QUESTION = 512
# The members of each kind of content that are read, with the ones that it cannot be without.
_MEMBERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text": (("text",), ()),
    "image": (("data", "mimeType"), ()),
    "audio": (("data", "mimeType"), ()),
    "resource_link": (("uri", "name"), ("title", "mimeType", "description")),
}


def make_readable(message: Any) -> None:
    """Correct an incoming message of the SDK in place, if it is the result of a tool."""
    result = getattr(getattr(message, "message", None), "result", None)
    if not isinstance(result, dict):
        return
    if result.get("resultType") == "input_required" and result.get("inputRequests"):
        message.message.result = _input_refused(result["inputRequests"])
        return
    if not {"content", "structuredContent"} & result.keys():
        return
    content = result.get("content")
    blocks = content if isinstance(content, list) else [] if content is None else [content]
    result["content"] = [_readable(block) for block in blocks]
    if not isinstance(result.get("isError", False), bool):
        result["isError"] = bool(result["isError"])
    structured = result.get("structuredContent")
    # The protocol of 2026, whose results have a type, allows any value.
    if "resultType" not in result and structured is not None and not isinstance(structured, dict):
        result["structuredContent"] = {"result": structured}


def _input_refused(requests: Any) -> JsonObject:
    """Return the result of a call that waits for input, as a failure that says what it asks for.

    The SDK would refuse the input in words that do not contain the question.
    """
    asked = map(_question, requests.values() if isinstance(requests, dict) else [requests])
    text = f"the tool needs input that agents do not give during a call: {'; '.join(asked)}"
    return {"content": [_text(text)], "isError": True, "resultType": "complete"}


def _question(request: Any) -> str:
    """Return the text of an elicitation, or the method of another request."""
    method = request.get("method") if isinstance(request, dict) else None
    params = request.get("params") if isinstance(request, dict) else None
    message = params.get("message") if isinstance(params, dict) else None
    return json_bytes(message if isinstance(message, str) else method).decode()[:_MAX_QUESTION]


def _readable(block: Any) -> JsonObject:
    """Return a block with the members that are read, or its JSON as text."""
    if isinstance(block, str):
        return _text(block)
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "resource":
        resource = _strings(block.get("resource"), ("uri",), ("text", "blob", "mimeType"))
        if resource and ("text" in resource or "blob" in resource):
            return {"type": kind, "resource": resource}
    elif isinstance(kind, str) and kind in _MEMBERS:
        needed, optional = _MEMBERS[kind]
        members = _strings(block, needed, optional)
        if members is not None:
            return {"type": kind, **members}
    return _text(json_bytes(block).decode())


def _strings(
    value: Any, needed: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, str] | None:
    """Return the members that are texts; None if a needed one is not."""
    if not isinstance(value, dict):
        return None
    found = {key: value[key] for key in (*needed, *optional) if isinstance(value.get(key), str)}
    return found if all(key in found for key in needed) else None


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text}
