"""Composes the WebSocket connections of a program and their backend."""

from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from omnia_core.env.shared import SessionType
from omnia_core.http.head import RequestHead
from omnia_core.names import Handler, Mode
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.own_sessions import SessionDirectory
from omnia_facade.backend.port import Backend
from omnia_facade.context import ProcessContext
from omnia_facade.entrance.router import Upgrade
from omnia_facade.new_sessions import session_ids
from omnia_facade.timings import USUAL
from omnia_facade.turns.relayed import InterruptedAnswerStore
from omnia_facade.ws.client_connection import ClientConnection
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import WebSocketConversation
from omnia_facade.ws.uploads import UploadFactory
from omnia_facade.ws.voice import VoiceCallLimit

if TYPE_CHECKING:
    from omnia_facade.media.opening import MediaService


def websocket_upgrade(
    context: ProcessContext,
    connections: Connections,
    backend: Backend,
    media: "MediaService | None",
) -> Upgrade:
    """Return the factory of connections; without `media`, clients cannot upload."""
    env = context.env
    timings = context.timings
    if timings.execute == USUAL.execute:
        timings = structs.replace(timings, execute=env.client_tool_timeout.seconds)
    new_id = session_ids(media)
    call_limit = VoiceCallLimit(env.max_audio_sessions, context.metrics.voice.sessions_active)
    factory = UploadFactory(media.uploads) if media else None
    if factory:
        context.stack.push_async_callback(factory.close)

    def upgrade(head: RequestHead, principal: Principal) -> ClientConnection:
        session_id = new_id(principal)
        resume = head.parameter("session_id")
        conversation = WebSocketConversation(
            session_id,
            show_tools=env.show_tools,
            binary=head.parameter("binary") == "true",
            trials=env.trial,
            timings=timings,
        )
        connection = context.tracing.dialogue(backend.begin(session_id, principal), head.headers)
        begin_uploads = partial(factory.begin, principal) if factory else None
        return ClientConnection(
            connections, connection, conversation, resume, call_limit, begin_uploads
        )

    return upgrade


# Imports below are local: a pod has one backend, and pays with memory for what it imports.


def open_backend(context: ProcessContext) -> Backend:
    """Return the backend: the runtime if there is a client, otherwise echo or demo."""
    env, client = context.env, context.client
    if client:
        from omnia_facade.turns.runtime import RuntimeBackend  # noqa: PLC0415 - as above

        store = _open_interrupted_answer_store(context)
        return RuntimeBackend(client, env.turn_timeout.seconds, context.timings.cancel, store)
    from omnia_facade.turns.local import (  # noqa: PLC0415 - as above
        AnnouncedSessions,
        DemoBackend,
        EchoBackend,
    )

    backend = DemoBackend if env.handler_mode is Handler.DEMO else EchoBackend
    return backend(AnnouncedSessions())


def open_own_sessions(context: ProcessContext) -> SessionDirectory | None:
    """Return what users do with their sessions; None where no runtime keeps any."""
    if context.client is None or context.env.mode is not Mode.AGENT:
        return None
    from omnia_facade.turns.own_sessions import RuntimeSessions  # noqa: PLC0415 - as above

    return RuntimeSessions(context.client)


def _open_interrupted_answer_store(context: ProcessContext) -> InterruptedAnswerStore | None:
    """Return the store of interrupted answers; None if sessions end with their runtime."""
    if context.env.session_type is SessionType.MEMORY:
        return None
    from omnia_facade.turns.interrupted_answers import (  # noqa: PLC0415 - as above
        InterruptedAnswerWriter,
    )

    store = InterruptedAnswerWriter(context.env, context.metrics.kept_answers)
    context.stack.push_async_callback(store.close)
    return store
