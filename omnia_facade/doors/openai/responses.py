"""The paths of responses: create, read, stream again, cancel, delete, list the input."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

from omnia_core.conversation.tools import ToolCall
from omnia_core.jsonvalue import JsonObject, json_bytes, parse_json
from omnia_facade.backend.events import Done, Failed, ToolCallEvent
from omnia_facade.doors.errors import METHOD_NOT_ALLOWED, NOT_FOUND, DoorFailed
from omnia_facade.doors.exchange import Exchange
from omnia_facade.doors.openai.parameters import ignored_header
from omnia_facade.doors.openai.refusals import invalid, previous_not_last, unknown_response
from omnia_facade.doors.openai.responses_frames import ResponseFrames, ResponseHead, input_items
from omnia_facade.doors.openai.responses_request import (
    ResponseId,
    ResponseRequest,
    read_response_request,
)
from omnia_facade.doors.openai.sessions import Conversation, OpenAIContext, named_session, start
from omnia_facade.doors.port import Answer, DoorTurn, EventStream, Reply
from omnia_facade.runs.run import Run

PATH = "/v1/responses"
_OF_RESPONSE = re.compile(r"/v1/responses/([^/]+)(/cancel|/input_items|)")
_METHODS = {"": ("GET", "DELETE"), "/cancel": ("POST",), "/input_items": ("GET",)}
# How long a cancelled turn may take to end.
CANCEL_SECONDS = 5.0
MAX_ITEMS = 100


class _Note(Struct, frozen=True):
    """What a run remembers of its last response.

    Attributes:
        start: the entry of the log with which the response begins.
        said: how many pieces of text were said before it.
        items: the input.
    """

    head: ResponseHead
    start: int
    said: int
    items: bytes


async def create(exchange: Exchange, context: OpenAIContext) -> Answer:
    """Answer with a new response.

    Raises:
        DoorFailed: the request is invalid, or the turn failed.
    """
    request = read_response_request(exchange.request.body, context.kernel.public_url)
    context.model.check(request.model)
    caller = exchange.request.caller
    number = secrets.token_hex(16)
    previous = str(request.previous) if request.previous else None
    if previous and not await context.stored.claim_next(caller, previous, number):
        raise previous_not_last(previous)
    note: _Note | None = None

    async def keep(text: str, outcome: Done | Failed | None, calls: Sequence[ToolCall]) -> None:
        if previous:
            answered = not isinstance(outcome, Failed)
            await context.stored.end_next(caller, previous, number, answered=answered)
        if note:
            response = json_bytes(_document(note.head, text, outcome, calls))
            await context.stored.keep(caller, note.head.id, response, note.items)

    try:
        started = await start(
            exchange,
            context,
            Conversation(request.messages, request.conversation, _session(exchange, request)),
            DoorTurn(
                metadata=request.metadata,
                tools=request.tools,
                client_tools=True,
                keep=request.background,
                run_id=number,
            ),
            keep,
        )
    except BaseException:
        if previous:
            await context.stored.end_next(caller, previous, number, answered=False)
        raise
    run, position = started.begun.run, started.begun.start
    head = ResponseHead(
        id=str(ResponseId(run.session_id, number)),
        number=number,
        session_id=run.session_id,
        model=context.model.name,
        created=int(time.time()),
        previous=previous,
        metadata=request.given_metadata,
        tools=request.tools,
        background=request.background,
    )
    items = json_bytes(input_items(request.input, number))
    note = run.note = _Note(head, position, len(run.texts), items)
    headers = ignored_header(request.ignored)
    if request.stream:
        frames = started.answer.frames(ResponseFrames(head))
        return EventStream(
            run=run, frames=frames, start=position, headers=headers, refuses=not request.background
        )
    if request.background:
        return _json(head.document("in_progress"), headers)
    collected = await exchange.collect(run, position)
    calls = [event.call for event in collected.pending]
    outcome = collected.outcome
    started.answer.end(outcome, calls)
    await context.answers.settled()
    return _json(_document(head, "".join(collected.texts), outcome, calls), headers)


async def of_response(exchange: Exchange, context: OpenAIContext) -> Answer:
    """Answer a request for one response.

    Raises:
        DoorFailed: there is no such response, or not this method.
    """
    request = exchange.request
    found = _OF_RESPONSE.fullmatch(request.path)
    if found is None:
        raise DoorFailed(NOT_FOUND, f"nothing is served here; POST {PATH}")
    text, action = found.groups()
    allowed = _METHODS[action]
    if request.method not in allowed:
        names = ", ".join(allowed)
        raise DoorFailed(
            METHOD_NOT_ALLOWED, f"this path allows {names} only", headers={"Allow": names}
        )
    response_id = ResponseId.parse(text)
    if response_id is None:
        raise unknown_response(text)
    if action == "/cancel":
        return await _cancel(exchange, context, response_id)
    if action == "/input_items":
        return await _items(exchange, context, response_id)
    if request.method == "DELETE":
        return await _delete(exchange, context, response_id)
    if request.query.get("stream", "").lower() == "true":
        return await _stream_again(exchange, response_id)
    return _json(await _read(exchange, context, response_id))


async def _stream_again(exchange: Exchange, response_id: ResponseId) -> EventStream:
    after = exchange.request.query.get("starting_after", "-1")
    if not re.fullmatch(r"-1|[0-9]{1,9}", after):
        raise invalid(
            f'starting_after: expected the number of an event, found "{after[:32]}"',
            "starting_after",
        )
    run, note = await _run_of(exchange, response_id)
    if run is None or note is None:
        raise unknown_response(str(response_id))
    if not run.options.keep or not run.replayable:
        raise invalid(
            "the events of this response are not kept: create it with background, or read it"
            " without stream",
            "stream",
        )
    frames = ResponseFrames(note.head, after=int(after))
    return EventStream(run=run, frames=frames, start=note.start, refuses=False)


async def _read(exchange: Exchange, context: OpenAIContext, response_id: ResponseId) -> JsonObject:
    found = await _stored(exchange, context, response_id)
    if found is not None:
        return found
    run, note = await _run_of(exchange, response_id)
    if run is not None and run.state.final:
        # A run that has ended is stored, unless it was deleted; that may be under way.
        await context.answers.settled()
        found = await _stored(exchange, context, response_id)
        if found is not None:
            return found
    if run is None or note is None or run.state.final:
        raise unknown_response(str(response_id))
    text = "".join(run.texts[note.said :])
    frames = ResponseFrames(note.head)
    if text:
        frames.text(text)
    return frames.so_far()


async def _stored(
    exchange: Exchange, context: OpenAIContext, response_id: ResponseId
) -> JsonObject | None:
    stored = await context.stored.find(exchange.request.caller, str(response_id))
    if stored is None:
        return None
    document: JsonObject = parse_json(bytes(stored.response))
    return document


async def _cancel(exchange: Exchange, context: OpenAIContext, response_id: ResponseId) -> Reply:
    run, note = await _run_of(exchange, response_id)
    if run is not None and note is not None and not run.state.final:
        run.cancel()
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await run.ended()
        except TimeoutError:
            return _json(await _read(exchange, context, response_id))
        await context.answers.settled()
    return _json(await _read(exchange, context, response_id))


async def _delete(exchange: Exchange, context: OpenAIContext, response_id: ResponseId) -> Reply:
    await _read(exchange, context, response_id)
    await context.stored.delete(exchange.request.caller, str(response_id))
    return _json({"id": str(response_id), "object": "response", "deleted": True})


async def _items(exchange: Exchange, context: OpenAIContext, response_id: ResponseId) -> Reply:
    stored = await context.stored.find(exchange.request.caller, str(response_id))
    _, note = await _run_of(exchange, response_id) if stored is None else (None, None)
    if stored is None and note is None:
        raise unknown_response(str(response_id))
    items = parse_json(bytes(stored.items) if stored else note.items if note else b"[]")
    if items is None:
        raise invalid("the input of this response was too large to be kept", "input")
    return _json(_page(items, exchange.request.query))


def _page(items: list[JsonObject], query: Mapping[str, str]) -> JsonObject:
    """Return a page of items, the newest first unless the query says otherwise."""
    items = items if query.get("order") == "asc" else [*reversed(items)]
    after = query.get("after")
    ids = [item["id"] for item in items]
    if after in ids:
        items = items[ids.index(after) + 1 :]
    limit = query.get("limit", "20")
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= MAX_ITEMS:
        raise invalid(f'limit: expected 1 to {MAX_ITEMS}, found "{limit[:32]}"', "limit")
    page = items[: int(limit)]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > len(page),
    }


async def _run_of(exchange: Exchange, response_id: ResponseId) -> tuple[Run | None, _Note | None]:
    """Return the run whose last response this is."""
    for run in (
        await exchange.find(response_id.number),
        await exchange.current(response_id.session_id),
    ):
        note = run.note if run else None
        if isinstance(note, _Note) and note.head.id == str(response_id):
            return run, note
    return None, None


def _session(exchange: Exchange, request: ResponseRequest) -> str:
    if request.previous:
        return request.previous.session_id
    return named_session(exchange, request.session_id)


def _document(
    head: ResponseHead, text: str, outcome: Done | Failed | None, calls: Sequence[ToolCall]
) -> JsonObject:
    """Return a response after its end."""
    frames = ResponseFrames(head)
    if text:
        frames.text(text)
    shown = [ToolCallEvent(call, by_client=True) for call in calls]
    for event in shown:
        frames.event(event)
    if outcome is None:
        frames.park(shown)
    else:
        frames.end(outcome)
    return frames.document


def _json(document: JsonObject, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        body=json_bytes(document),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
