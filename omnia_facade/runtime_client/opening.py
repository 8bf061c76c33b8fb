"""Opens the runtime's client with the transport that the environment selects."""

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_core.errors import ConfigurationError
from omnia_core.names import Handler
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.runtime_client.transport import RuntimeTransport

_MAX_PORT = 65_535


def open_client(env: FacadeEnv, ready_seconds: float = 0.0) -> RuntimeClient | None:
    """Return the client, or None if the facade answers without a runtime.

    Calls wait for `ready_seconds` at most while the runtime starts.

    Raises:
        ConfigurationError: the address is invalid.
    """
    if env.handler_mode is not Handler.RUNTIME:
        return None
    from omnia_facade.runtime_client.client import RemoteRuntime  # noqa: PLC0415 - 10 MB

    return RemoteRuntime(
        _transport(env, ready_seconds),
        agent=env.agent_name,
        namespace=env.namespace,
        show_tools=env.show_tools,
    )


def _transport(env: FacadeEnv, ready_seconds: float) -> RuntimeTransport:
    host, _, port = env.runtime_address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _MAX_PORT:
        raise ConfigurationError(
            f"{env.variable('runtime_address')}: expected host:port, found {env.runtime_address}"
        )
    # Imported here: a pod uses one transport, and saves the memory of the other.
    if env.grpc_transport is GrpcTransport.GRPCIO:
        from omnia_facade.runtime_client.grpcio import GrpcioRuntimeTransport  # noqa: PLC0415 - as above

        return GrpcioRuntimeTransport(env.runtime_address, ready_seconds)
    from omnia_facade.runtime_client.builtin import BuiltinRuntimeTransport  # noqa: PLC0415 - as above

    return BuiltinRuntimeTransport(host.strip("[]"), int(port), ready_seconds)
