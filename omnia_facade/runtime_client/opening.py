"""The client of the runtime, over the transport that the environment names."""

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_core.errors import ConfigurationError
from omnia_core.names import Handler
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.runtime_client.transport import Transport

_MAX_PORT = 65_535


def open_client(env: FacadeEnv) -> RuntimeClient | None:
    """Return the client, or None where the facade answers by itself.

    Raises:
        ConfigurationError: the address is none.
    """
    if env.handler_mode is not Handler.RUNTIME:
        return None
    from omnia_facade.runtime_client.client import RemoteRuntime  # noqa: PLC0415 - 10 MB

    return RemoteRuntime(
        _transport(env),
        agent=env.agent_name,
        namespace=env.namespace,
        show_tools=env.show_tools,
    )


def _transport(env: FacadeEnv) -> Transport:
    host, _, port = env.runtime_address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _MAX_PORT:
        raise ConfigurationError(
            f"{env.variable('runtime_address')}: expected host:port, found {env.runtime_address}"
        )
    # Imported here: a pod has one, and memory is counted per pod.
    if env.grpc_transport is GrpcTransport.GRPCIO:
        from omnia_facade.runtime_client.grpcio import GrpcioTransport  # noqa: PLC0415 - as above

        return GrpcioTransport(env.runtime_address)
    from omnia_facade.runtime_client.builtin import BuiltinTransport  # noqa: PLC0415 - as above

    return BuiltinTransport(host.strip("[]"), int(port))
