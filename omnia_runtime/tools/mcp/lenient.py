"""Corrects the result of an MCP tool before the SDK reads it, so that a wrong part costs itself."""

import base64
from typing import Any

from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_runtime.tools.images import image_type

_MAX_QUESTION = 512
# Results of other requests, which have one of these members.
_OTHER_RESULTS = frozenset({"tools", "protocolVersion", "supportedVersions"})

# The SDKs wrap structured content that is not an object in an object with this member.
WRAPPED = "result"
_BYTES = "application/octet-stream"
_FALSE = ("false", "0", "no", "none", "")
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
    if not _OTHER_RESULTS.isdisjoint(result):
        return
    # Servers of 2024 called it so.
    content = result.get("content", result.get("toolResult"))
    blocks = content if isinstance(content, list) else [] if content is None else [content]
    result["content"] = [_readable(block) for block in blocks]
    if not isinstance(result.get("isError", False), bool):
        result["isError"] = str(result["isError"]).lower() not in _FALSE
    if not isinstance(result.get("_meta"), dict):
        result.pop("_meta", None)
    structured = result.get("structuredContent")
    # The protocol of 2026, whose results have a type, allows any value.
    if "resultType" not in result and structured is not None and not isinstance(structured, dict):
        result["structuredContent"] = {WRAPPED: structured}


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
        if resource and "blob" in resource and resource.get("mimeType", "").startswith("image/"):
            resource = _media(resource, "blob") or {**resource, "mimeType": _BYTES}
        if resource and ("text" in resource or "blob" in resource):
            return {"type": kind, "resource": resource}
    elif isinstance(kind, str) and kind in _MEMBERS:
        needed, optional = _MEMBERS[kind]
        members = _strings(block, needed, optional)
        if members is not None and "data" in members:
            said = f"{kind}, {members['mimeType']}, {len(members['data'])} characters"
            members = _media(members, "data")
            if members is None:
                return _text(f"[the data of this content is no {said}]")
        if members is not None:
            return {"type": kind, **members}
    return _text(json_bytes(block).decode())


def _media(members: dict[str, str], key: str) -> dict[str, str] | None:
    """Return media with plain base64 and the type of its bytes; None if it is not what it says.

    A vendor refuses a conversation with an image of another type than its name.
    """
    named = members["mimeType"].partition(";")[0].strip().lower()
    head, mark, rest = members[key].partition(";base64,")
    text = rest if mark and head.startswith("data:") else members[key]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
    kind = image_type(data, named) if named.startswith("image/") else named
    if kind is None:
        return None
    return {**members, key: base64.b64encode(data).decode(), "mimeType": kind}


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
