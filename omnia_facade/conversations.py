"""What serves conversations, chosen and put together from the environment."""

import contextlib
import uuid
from functools import partial

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import SessionType
from omnia_core.names import Handler
from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.handler import TurnHandler
from omnia_facade.entrance.context import Upgrade
from omnia_facade.entrance.head import RequestHead
from omnia_facade.metrics import Metrics
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.timings import Timings
from omnia_facade.tracing import FacadeTracing
from omnia_facade.turns.announced import AnnouncedSessions
from omnia_facade.turns.relayed import Keeper
from omnia_facade.ws.calls import Calls
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.endpoint import Endpoint
from omnia_facade.ws.upload_desk import UploadDesk


def endpoints(
    env: FacadeEnv,
    handler: TurnHandler,
    connections: Connections,
    tracing: FacadeTracing,
    timings: Timings,
    uploads: UploadDesk | None,
) -> Upgrade:
    """Return what makes an endpoint of each request to talk; without `uploads` none uploads."""
    calls = Calls(env.max_audio_sessions, connections.metrics.voice.sessions_active)

    def make(head: RequestHead, principal: Principal) -> Endpoint:
        session_id = str(uuid.uuid4())
        resume = head.parameter("session_id")
        conversation = Conversation(
            session_id,
            show_tools=env.show_tools,
            binary=head.parameter("binary") == "true",
            timings=timings,
        )
        dialogue = tracing.dialogue(handler.begin(session_id, principal), head.headers)
        begin_uploads = partial(uploads.begin, principal) if uploads else None
        return Endpoint(connections, dialogue, conversation, resume, calls, begin_uploads)

    return make


def open_keeper(
    env: FacadeEnv,
    client: RuntimeClient | None,
    metrics: Metrics,
    stack: contextlib.AsyncExitStack,
) -> Keeper | None:
    """Return what keeps answers whose runtime dies: nobody, where sessions die with it."""
    if client is None or env.session_type is SessionType.MEMORY:
        return None
    from omnia_facade.turns.keeping import StoreKeeper  # noqa: PLC0415 - memory, per pod

    keeper = StoreKeeper(env, metrics.kept_answers)
    stack.push_async_callback(keeper.close)
    return keeper


def turn_handler(
    env: FacadeEnv, client: RuntimeClient | None, timings: Timings, keeper: Keeper | None
) -> TurnHandler:
    """Return what answers: the runtime where there is one, otherwise the facade itself."""
    # Imported here: a pod has one handler, and memory is counted per pod.
    if client:
        from omnia_facade.turns.runtime import RuntimeHandler  # noqa: PLC0415 - as above

        return RuntimeHandler(client, env.turn_timeout.seconds, timings.cancel, keeper)
    if env.handler_mode is Handler.DEMO:
        from omnia_facade.turns.demo import DemoHandler  # noqa: PLC0415 - as above

        return DemoHandler(AnnouncedSessions())
    from omnia_facade.turns.echo import EchoHandler  # noqa: PLC0415 - as above

    return EchoHandler(AnnouncedSessions())
