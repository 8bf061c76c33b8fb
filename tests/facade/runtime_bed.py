"""A client of the runtime for tests, over either transport."""

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_facade.runtime_client.opening import open_client
from omnia_facade.runtime_client.port import RuntimeClient
from tests.transport import TRANSPORT


def unheard(text: str) -> bool:
    """Say nothing: all of an answer comes as events, as to a client that does not read."""
    return False


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
