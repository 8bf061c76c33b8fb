"""`POST /api/agent/prompt`: the system prompt as a turn with these variables would have it."""

import msgspec
from msgspec import Struct, field

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.backend.inside import ComposedPrompt
from omnia_facade.doors.errors import (
    METHOD_NOT_ALLOWED,
    NOT_SUPPORTED,
    REQUEST_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    DoorFailed,
)
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.port import DoorRequest, Reply
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed

MAX_BYTES = 256 * 1024
_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


class PromptRequest(Struct, frozen=True):
    """The body of a request.

    Attributes:
        variables: as the metadata of a message.
        version: of the PromptPack; "" for the stable one.
    """

    variables: dict[str, str] = field(default_factory=dict)
    version: str = ""


_decode = msgspec.json.Decoder(PromptRequest).decode


def open_door(kernel: Kernel) -> "ConsoleDoor":
    """Return the door."""
    return ConsoleDoor(kernel.context.client)


class ConsoleDoor:
    """Serves the console of an agent that shows what is inside."""

    def __init__(self, client: RuntimeClient | None) -> None:
        self._client = client

    async def answer(self, exchange: Exchange) -> Reply:
        request = exchange.request
        if request.method != "POST":
            raise DoorFailed(
                METHOD_NOT_ALLOWED, "this path allows POST only", headers={"Allow": "POST"}
            )
        asked = _read(request)
        if self._client is None:
            raise DoorFailed(NOT_SUPPORTED, "this agent has no runtime and so no prompt")
        try:
            composed = await self._client.compose_prompt(asked.variables, asked.version)
        except RuntimeFailed as failed:
            raise _failure(failed) from failed
        return Reply(body=json_bytes(_document(composed)), headers=_HEADERS)

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:  # noqa: ARG002 - the port's
        body = {"error": failed.code.lower(), "detail": failed.message}
        return Reply(status=failed.meaning.status, body=json_bytes(body), headers=_HEADERS)


def _read(request: DoorRequest) -> PromptRequest:
    if request.content_type != "application/json":
        raise DoorFailed(UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")
    if len(request.body) > MAX_BYTES:
        raise DoorFailed(
            REQUEST_TOO_LARGE,
            f"the body has {len(request.body)} bytes; expected at most {MAX_BYTES}",
        )
    try:
        return _decode(request.body)
    except msgspec.MsgspecError as error:
        raise DoorFailed(
            ErrorCode.INVALID_MESSAGE,
            f'expected {{"variables": {{"NAME": "TEXT"}}, "version": "TEXT"}}: {error}',
        ) from error
    except UnicodeDecodeError as error:
        raise DoorFailed(ErrorCode.INVALID_MESSAGE, "the body is not UTF-8") from error


def _failure(failed: RuntimeFailed) -> DoorFailed:
    if failed.code is Code.INVALID_ARGUMENT:
        return DoorFailed(ErrorCode.INVALID_MESSAGE, failed.message)
    if failed.code is Code.UNIMPLEMENTED:
        return DoorFailed(NOT_SUPPORTED, "the runtime does not compose prompts for others")
    return DoorFailed(ErrorCode.AGENT_UNAVAILABLE, "the runtime does not answer; try again")


def _document(composed: ComposedPrompt) -> JsonObject:
    document: JsonObject = msgspec.to_builtins(composed)
    return {"system": "".join(part.text for part in composed.parts), **document}
