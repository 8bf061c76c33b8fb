"""An MCP server with the tools that the conformance kit asks for, on the modules of our door.

An agent has one tool, and neither prompts nor resources: what the kit checks of those is checked
here, with the same envelope and the same frames.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_facade.backend.events import Done, ToolCallEvent
from omnia_facade.doors.mcp.elicitation import continuation, input_required, unknown_state
from omnia_facade.doors.mcp.envelope import CALL, DISCOVER, META, McpError, McpRequest, read_request
from omnia_facade.doors.mcp.frames import (
    ServerAnswers,
    answer_result,
    error_response,
    error_result,
    event,
    progress_event,
)
from omnia_facade.doors.mcp.tools import ToolDescription

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8"
    "z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
IMAGE = Part("image", media=Media("image/png", data=PIXEL))
SOUND = Part("audio", media=Media("audio/wav", data="UklGRg=="))
DOCUMENT = Part("document", media=Media("text/plain", data="aGVsbG8="))
PARTS: dict[str, tuple[Part, ...]] = {
    "test_simple_text": (),
    "test_image_content": (IMAGE,),
    "test_audio_content": (SOUND,),
    "test_embedded_resource": (DOCUMENT,),
    "test_multiple_content_types": (IMAGE, DOCUMENT),
    "test_streaming_elicitation": (),
    "test_logging_tool": (),
}
TOOLS = (*PARTS, "test_error_handling", "test_tool_with_progress", "test_missing_capability")
ASKING = "test_input_required_result_"
LISTS: dict[str, str] = {
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
CACHED = {"ttlMs": 1000, "cacheScope": "public"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


def described(name: str) -> ToolDescription:
    return ToolDescription(name, name, f"Tests {name}", SCHEMA)


STATE = "state-1"
ANSWERS = ServerAnswers(described("fixture"), "1.0.0", "A fixture.")


def asked_of_the_user(request: McpRequest, kind: str) -> dict[str, Any]:
    """Ask for a result, until the answer to this question comes."""
    name = {"elicitation": "user_name"}.get(kind, "confirm")
    given = request.params
    if kind == "elicitation" and given.get("inputResponses") is not None:
        # The kit answers this tool without a state, which is the fixture's to allow.
        given = {"requestState": STATE, **given}
    again = continuation(given)
    if again is not None and again.run_id != STATE:
        raise unknown_state()
    if again is None or name not in {result.call_id for result in again.results}:
        call = ToolCall(name, "ask", "{}")
        return input_required(STATE, [ToolCallEvent(call, by_client=True)])
    return answer_result(Done("state-ok"), "s-1")


def called(request: McpRequest) -> dict[str, Any]:
    name = request.params.get("name")
    if isinstance(name, str) and name.startswith(ASKING):
        return asked_of_the_user(request, name.removeprefix(ASKING))
    if name == "test_missing_capability":
        declared = request.params["_meta"].get(f"{META}clientCapabilities", {})
        if "sampling" not in declared:
            needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
            raise McpError(400, -32021, "the client must be able to sample", needed)
    if name == "test_error_handling":
        return error_result("This tool intentionally returns an error for testing")
    if name not in TOOLS:
        raise McpError(400, -32602, "unknown tool")
    return answer_result(Done("done", parts=PARTS.get(name, ())), "s-1")


def result_of(request: McpRequest) -> dict[str, Any]:
    if request.method == "initialize" and not request.is_modern:
        return ANSWERS.initialized(request.params)
    if request.method == DISCOVER:
        capabilities: dict[str, Any] = {"tools": {}, "prompts": {}, "resources": {}}
        return {**ANSWERS.discovered(), "capabilities": capabilities}
    if request.method == "tools/list":
        tools = [described(name).document(modern=True) for name in TOOLS]
        return {"tools": tools, **CACHED}
    if request.method in LISTS:
        return {LISTS[request.method]: [], **CACHED}
    if request.method == CALL:
        return called(request)
    raise McpError(404, -32601, "unknown method")


async def answer(http: web.Request) -> web.Response:
    headers = {name.lower(): value for name, value in http.headers.items()}
    if http.method != "POST":
        return web.Response(status=405)
    request = None
    try:
        request = read_request(headers, await http.read())
        if request.is_notification:
            return web.Response(status=202)
        response = ANSWERS.response(request, result_of(request))
    except McpError as error:
        error.request_id = request.id if request else error.request_id
        body = error_response(error)
        return web.Response(status=error.status, body=body, content_type="application/json")
    if request.method != CALL:
        return web.Response(body=response, content_type="application/json")
    frames = event(response)
    if request.progress_token is not None:
        seen = [progress_event(request.progress_token, each) for each in (0, 50, 100)]
        frames = b"".join([*seen, frames])
    return web.Response(body=frames, content_type="text/event-stream")


@contextlib.asynccontextmanager
async def fixture_server() -> AsyncIterator[str]:
    """Serve the fixture; yield its address."""
    app = web.Application()
    app.router.add_route("*", "/mcp", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    finally:
        await runner.cleanup()
