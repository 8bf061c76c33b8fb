"""Composes what serves conversations."""

import uuid
from functools import partial

from omnia_core.env.shared import SessionType
from omnia_core.names import Handler
from omnia_facade.auth.principal import Principal
from omnia_facade.context import ProcessContext
from omnia_facade.dialogue.handler import TurnHandler
from omnia_facade.entrance.head import RequestHead
from omnia_facade.entrance.router import Upgrade
from omnia_facade.media.port import Uploads
from omnia_facade.turns.announced import AnnouncedSessions
from omnia_facade.turns.relayed import Keeper
from omnia_facade.ws.calls import Calls
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.endpoint import Endpoint
from omnia_facade.ws.upload_desk import UploadDesk


def conversations(
    context: ProcessContext, connections: Connections, uploads: Uploads | None
) -> Upgrade:
    """Return what serves an upgraded request; without `uploads`, clients cannot upload."""
    env = context.env
    handler = _turn_handler(context)
    calls = Calls(env.max_audio_sessions, context.metrics.voice.sessions_active)
    desk = UploadDesk(uploads) if uploads else None
    if desk:
        context.stack.push_async_callback(desk.close)

    def upgrade(head: RequestHead, principal: Principal) -> Endpoint:
        session_id = str(uuid.uuid4())
        resume = head.parameter("session_id")
        conversation = Conversation(
            session_id,
            show_tools=env.show_tools,
            binary=head.parameter("binary") == "true",
            timings=context.timings,
        )
        dialogue = context.tracing.dialogue(handler.begin(session_id, principal), head.headers)
        begin_uploads = partial(desk.begin, principal) if desk else None
        return Endpoint(connections, dialogue, conversation, resume, calls, begin_uploads)

    return upgrade


# Imports below are local: a pod has one handler, and pays with memory for what it imports.


def _turn_handler(context: ProcessContext) -> TurnHandler:
    """Return what answers: the runtime if there is one, otherwise the facade itself."""
    env, client = context.env, context.client
    if client:
        from omnia_facade.turns.runtime import RuntimeHandler  # noqa: PLC0415 - as above

        keeper = _open_keeper(context)
        return RuntimeHandler(client, env.turn_timeout.seconds, context.timings.cancel, keeper)
    if env.handler_mode is Handler.DEMO:
        from omnia_facade.turns.demo import DemoHandler  # noqa: PLC0415 - as above

        return DemoHandler(AnnouncedSessions())
    from omnia_facade.turns.echo import EchoHandler  # noqa: PLC0415 - as above

    return EchoHandler(AnnouncedSessions())


def _open_keeper(context: ProcessContext) -> Keeper | None:
    """Return what stores interrupted answers; None where sessions end with the runtime."""
    if context.env.session_type is SessionType.MEMORY:
        return None
    from omnia_facade.turns.keeping import StoreKeeper  # noqa: PLC0415 - as above

    keeper = StoreKeeper(context.env, context.metrics.kept_answers)
    context.stack.push_async_callback(keeper.close)
    return keeper
