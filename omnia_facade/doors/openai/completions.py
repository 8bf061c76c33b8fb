"""The path of chat completions."""

import secrets
import time
from collections.abc import Sequence
from typing import cast

from omnia_core.conversation.tools import ToolCall
from omnia_core.jsonvalue import json_bytes
from omnia_facade.backend.events import Done, Failed
from omnia_facade.doors.exchange import Exchange
from omnia_facade.doors.openai.completions_frames import (
    Completion,
    CompletionFrames,
    completion_document,
)
from omnia_facade.doors.openai.completions_request import read_completion
from omnia_facade.doors.openai.parameters import ignored_header
from omnia_facade.doors.openai.sessions import Conversation, OpenAIContext, named_session, start
from omnia_facade.doors.port import Answer, DoorTurn, EventStream, Reply


async def complete(exchange: Exchange, context: OpenAIContext) -> Answer:
    """Answer a chat completion.

    Raises:
        DoorFailed: the request is invalid, or the turn failed.
    """
    request = read_completion(exchange.request.body, context.kernel.public_url)
    context.model.check(request.model)
    session_id = named_session(exchange, request.session_id)
    started = await start(
        exchange,
        context,
        Conversation(request.messages, request.conversation, session_id),
        DoorTurn(metadata=request.metadata, tools=request.tools, client_tools=True),
        _nothing,
    )
    run = started.begun.run
    number = secrets.token_hex(8)
    completion = Completion(
        f"chatcmpl-{run.session_id}-{number}", context.model.name, int(time.time())
    )
    headers = ignored_header(request.ignored)
    if request.stream:
        frames = CompletionFrames(completion, include_usage=request.include_usage)
        return EventStream(
            run=run,
            frames=started.answer.frames(frames),
            start=started.begun.start,
            headers=headers,
        )
    collected = await exchange.collect(run, started.begun.start)
    calls = [event.call for event in collected.pending]
    done = cast("Done | None", collected.outcome)
    started.answer.end(done, calls)
    await context.answers.settled()
    document = completion_document(completion, "".join(collected.texts), done, calls)
    return Reply(body=json_bytes(document), headers={"Content-Type": "application/json", **headers})


async def _nothing(text: str, outcome: Done | Failed | None, calls: Sequence[ToolCall]) -> None:
    """A chat completion is not kept: the session is."""
