"""The paths of the AI SDK: messages, resumed streams, stop, history."""

import re

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.jsonvalue import json_bytes
from omnia_core.sse.ui_messages import HEADERS
from omnia_facade.backend.port import Cancellation
from omnia_facade.doors.chat.frames import ChatFrames
from omnia_facade.doors.chat.history import ui_messages
from omnia_facade.doors.chat.request import read_request
from omnia_facade.doors.errors import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    RUN_NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
    DoorFailed,
)
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.port import Answer, DoorRequest, EventStream, Reply
from omnia_facade.doors.sessions import check_session_id
from omnia_facade.runs.run import Run

PATH = "/api/chat"
_OF_CHAT = re.compile(r"/api/chat/([^/]+)(/stream|/stop|)")
_METHODS = {"/stream": "GET", "/stop": "POST", "": "GET"}


def open_door(kernel: Kernel) -> "ChatDoor":
    """Return the door."""
    return ChatDoor(kernel)


class ChatDoor:
    """Serves `useChat` with its default transport."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        if request.path == PATH:
            _require_method(request, "POST")
            return await self._message(exchange)
        found = _OF_CHAT.fullmatch(request.path)
        if found is None:
            raise DoorFailed(NOT_FOUND, f"nothing is served here; POST {PATH}")
        chat_id, action = found.groups()
        _require_method(request, _METHODS[action])
        session_id = check_session_id(chat_id, "the id of the chat")
        if action == "/stream":
            return await self._stream(exchange, session_id)
        if action == "/stop":
            return await self._stop(exchange, session_id)
        return await self._history(exchange, session_id)

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:  # noqa: ARG002 - the port's
        body = {"error": failed.code.lower(), "detail": failed.message}
        return Reply(
            status=failed.meaning.status,
            body=json_bytes(body),
            headers={"Content-Type": "application/json"},
        )

    async def _message(self, exchange: Exchange) -> Answer:
        if exchange.request.content_type != "application/json":
            raise DoorFailed(UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")
        chat = read_request(exchange.request.body, self._kernel.public_url)
        if chat.turn is not None:
            run = await exchange.begin(chat.turn)
            return self._of_run(run, ignored=", ".join(chat.ignored))
        resumed = await exchange.resume(chat.session_id, chat.results)
        if resumed is None:
            raise DoorFailed(
                RUN_NOT_FOUND,
                "no answer of this chat waits for the result of a tool; send a message",
            )
        return self._of_run(resumed, start=resumed.position)

    async def _stream(self, exchange: Exchange, session_id: str) -> Answer:
        run = await exchange.current(session_id)
        if run is None or not run.replayable or run.pending:
            return Reply(status=204)
        return self._of_run(run, merged=True)

    async def _history(self, exchange: Exchange, session_id: str) -> Answer:
        if self._kernel.sessions is None:
            raise DoorFailed(NOT_FOUND, "this agent has no sessions")
        running = await exchange.current(session_id)
        session = await self._kernel.sessions.said(session_id, exchange.request.caller)
        messages = ui_messages(
            session,
            running=running is not None,
            show_tools=self._kernel.env.show_tools,
            public_url=self._kernel.public_url,
        )
        body = json_bytes({"id": session_id, "name": session.name, "messages": messages})
        return Reply(
            body=body, headers={"Content-Type": "application/json", "Cache-Control": "no-store"}
        )

    async def _stop(self, exchange: Exchange, session_id: str) -> Answer:
        run = await exchange.current(session_id)
        if run is not None:
            run.cancel()
        elif self._kernel.backend is not None:
            # A turn of this session may run at another door.
            caller = exchange.request.caller
            cancellation = await self._kernel.backend.cancel_turn(session_id, caller)
            if cancellation is Cancellation.NOT_FOUND:
                raise DoorFailed(ErrorCode.SESSION_EXPIRED, "the chat is unknown or has expired")
        return Reply(status=204)

    def _of_run(
        self, run: Run, *, start: int = 0, merged: bool = False, ignored: str = ""
    ) -> EventStream:
        frames = ChatFrames(run.id, run.session_id, show_tools=self._kernel.env.show_tools)
        headers = dict(HEADERS)
        if ignored:
            headers["Omnia-Ignored"] = ignored
        return EventStream(run=run, frames=frames, start=start, merged=merged, headers=headers)


def _require_method(request: DoorRequest, method: str) -> None:
    if request.method != method:
        raise DoorFailed(
            METHOD_NOT_ALLOWED, f"this path allows {method} only", headers={"Allow": method}
        )
