"""A client of the runtime for tests, over either transport, and a listener for its turns."""

from collections.abc import Callable

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_facade.backend.events import Done, Failed, TurnEvent, TurnRequest
from omnia_facade.backend.port import BackendConnection
from omnia_facade.runtime_client.opening import open_client
from omnia_facade.runtime_client.port import RuntimeClient
from tests.transport import TRANSPORT


class RecordingListener:
    """Records the text and the events of a turn in their order.

    Attributes:
        received: pieces of text as strings, and events.
    """

    def __init__(self, react: Callable[[str | TurnEvent], object] | None = None) -> None:
        """`react` is called with each piece of text and each event."""
        self.received: list[str | TurnEvent] = []
        self._react = react

    def send_text(self, text: str) -> bool:
        self._receive(text)
        return True

    async def drain(self) -> None:
        """Everything is accepted."""

    async def send_event(self, event: TurnEvent) -> None:
        self._receive(event)

    def _receive(self, item: str | TurnEvent) -> None:
        self.received.append(item)
        if self._react:
            self._react(item)


async def answer_of(
    connection: BackendConnection, request: TurnRequest
) -> list[str | TurnEvent | Done | Failed]:
    """Run a turn; return its text, its events and its end."""
    listener = RecordingListener()
    outcome = await connection.turn(request, listener)
    return [*listener.received, outcome]


def client_of(
    port: int,
    *,
    show_tools: bool = False,
    transport: GrpcTransport = TRANSPORT,
) -> RuntimeClient:
    """Return a client of the runtime on a port of the loopback address."""
    client = open_client(
        FacadeEnv(
            agent_name="a",
            namespace="n",
            runtime_address=f"127.0.0.1:{port}",
            show_tools=show_tools,
            grpc_transport=transport,
        )
    )
    assert client
    return client
