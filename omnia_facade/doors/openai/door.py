"""The paths of the OpenAI API."""

import time
from urllib.parse import unquote

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import json_bytes
from omnia_facade.doors.errors import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
    DoorFailed,
)
from omnia_facade.doors.exchange import Exchange, Kernel
from omnia_facade.doors.openai import refusals
from omnia_facade.doors.openai.answers import Answers
from omnia_facade.doors.openai.completions import complete
from omnia_facade.doors.openai.kept import KeptValues
from omnia_facade.doors.openai.lineage import Lineage
from omnia_facade.doors.openai.models import AgentModel
from omnia_facade.doors.openai.responses import PATH as RESPONSES
from omnia_facade.doors.openai.responses import create, of_response
from omnia_facade.doors.openai.sessions import OpenAIContext
from omnia_facade.doors.openai.stored import StoredResponses
from omnia_facade.doors.port import Answer, DoorRequest, Reply

COMPLETIONS = "/v1/chat/completions"
MODELS = "/v1/models"
_JSON = {"Content-Type": "application/json"}


def open_door(kernel: Kernel) -> "OpenAIDoor":
    """Return the door."""
    return OpenAIDoor(kernel)


class OpenAIDoor:
    """Serves clients of the OpenAI API."""

    def __init__(self, kernel: Kernel) -> None:
        if kernel.backend is None:
            raise ConfigurationError("the OpenAI API is served for agents, not for functions")
        env = kernel.env
        model = AgentModel(env.agent_name, env.namespace, int(time.time()))
        kept = KeptValues(kernel.replies, env.session_ttl.seconds)
        self._context = OpenAIContext(
            kernel, kernel.backend, model, Lineage(kept), Answers(), StoredResponses(kept)
        )

    async def answer(self, exchange: Exchange) -> Answer:
        path = exchange.request.path
        if path in (COMPLETIONS, RESPONSES):
            _require_json(exchange.request)
            serve = complete if path == COMPLETIONS else create
            return await serve(exchange, self._context)
        if path.startswith(RESPONSES):
            return await of_response(exchange, self._context)
        if path.startswith(MODELS):
            return self._models(exchange.request)
        raise DoorFailed(
            NOT_FOUND, f"nothing is served here; use {COMPLETIONS}, {RESPONSES} or {MODELS}"
        )

    def refusal(self, failed: DoorFailed, request: DoorRequest) -> Reply:  # noqa: ARG002 - the port's
        return refusals.refusal(failed)

    def _models(self, request: DoorRequest) -> Reply:
        _require_method(request, "GET")
        model = self._context.model
        asked = unquote(request.path.removeprefix(MODELS).removeprefix("/"))
        if not asked:
            return Reply(body=json_bytes(model.listing()), headers=_JSON)
        model.check(asked)
        return Reply(body=json_bytes(model.document()), headers=_JSON)


def _require_json(request: DoorRequest) -> None:
    _require_method(request, "POST")
    if request.content_type != "application/json":
        raise DoorFailed(UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")


def _require_method(request: DoorRequest, method: str) -> None:
    if request.method != method:
        raise DoorFailed(
            METHOD_NOT_ALLOWED, f"this path allows {method} only", headers={"Allow": method}
        )
