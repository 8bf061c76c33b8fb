"""Builds the conversations of a program, and their backend, from its environment."""

import contextlib
import uuid
from functools import partial

from omnia_core.env import FacadeEnv
from omnia_core.env.sessions import SessionType
from omnia_core.names import Handler
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend
from omnia_facade.entrance.context import Upgrade
from omnia_facade.entrance.head import RequestHead
from omnia_facade.metrics import Metrics
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.timings import Timings
from omnia_facade.tracing import FacadeTracing
from omnia_facade.turns.relayed import InterruptedAnswerStore
from omnia_facade.ws.client_connection import ClientConnection
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import WebSocketConversation
from omnia_facade.ws.uploads import UploadFactory
from omnia_facade.ws.voice import VoiceCallLimit


def websocket_upgrade(
    env: FacadeEnv,
    backend: Backend,
    connections: Connections,
    tracing: FacadeTracing,
    timings: Timings,
    uploads: UploadFactory | None,
) -> Upgrade:
    """Return the factory of connections; without `uploads` clients cannot upload."""
    call_limit = VoiceCallLimit(env.max_audio_sessions, connections.metrics.voice.sessions_active)

    def upgrade(head: RequestHead, principal: Principal) -> ClientConnection:
        session_id = str(uuid.uuid4())
        resume = head.parameter("session_id")
        conversation = WebSocketConversation(
            session_id,
            show_tools=env.show_tools,
            binary=head.parameter("binary") == "true",
            timings=timings,
        )
        connection = tracing.dialogue(backend.begin(session_id, principal), head.headers)
        begin_uploads = partial(uploads.begin, principal) if uploads else None
        return ClientConnection(
            connections, connection, conversation, resume, call_limit, begin_uploads
        )

    return upgrade


def open_interrupted_answer_store(
    env: FacadeEnv,
    client: RuntimeClient | None,
    metrics: Metrics,
    stack: contextlib.AsyncExitStack,
) -> InterruptedAnswerStore | None:
    """Return the store of interrupted answers; None if sessions end with their runtime."""
    if client is None or env.session_type is SessionType.MEMORY:
        return None
    # Imported here: memory counts in every pod.
    from omnia_facade.turns.interrupted_answers import InterruptedAnswerWriter  # noqa: PLC0415

    store = InterruptedAnswerWriter(env, metrics.kept_answers)
    stack.push_async_callback(store.close)
    return store


def open_backend(
    env: FacadeEnv,
    client: RuntimeClient | None,
    timings: Timings,
    store: InterruptedAnswerStore | None,
) -> Backend:
    """Return the backend: the runtime if there is a client, otherwise echo or demo."""
    # Imported here: a pod has one backend, and memory counts in every pod.
    if client:
        from omnia_facade.turns.runtime import RuntimeBackend  # noqa: PLC0415 - as above

        return RuntimeBackend(client, env.turn_timeout.seconds, timings.cancel, store)
    from omnia_facade.turns.local import (  # noqa: PLC0415 - as above
        AnnouncedSessions,
        DemoBackend,
        EchoBackend,
    )

    backend = DemoBackend if env.handler_mode is Handler.DEMO else EchoBackend
    return backend(AnnouncedSessions())
