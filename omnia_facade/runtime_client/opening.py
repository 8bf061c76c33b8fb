"""Opens the runtime's client with the transport that the environment selects."""

from collections.abc import Callable

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_core.errors import ConfigurationError
from omnia_core.names import Handler, Variant
from omnia_facade.rollout.files import RolloutFiles
from omnia_facade.rollout.peer_door import peer_line
from omnia_facade.runtime_client.candidates import CandidatePods
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.runtime_client.routed import RoutedRuntime
from omnia_facade.runtime_client.transport import RuntimeTransport

_MAX_PORT = 65_535


def open_client(
    env: FacadeEnv,
    ready_seconds: float = 0.0,
    rollout: RolloutFiles | None = None,
    stepped_in: Callable[[str], None] = lambda _: None,
) -> RuntimeClient | None:
    """Return the client, or None if the facade answers without a runtime.

    Calls wait for `ready_seconds` at most while the runtime starts. With `rollout`, sessions of the
    candidate are routed to its pods; `stepped_in` is called with the reason when they cannot be.

    Raises:
        ConfigurationError: the address is invalid.
    """
    if env.handler_mode is not Handler.RUNTIME:
        return None
    from omnia_facade.runtime_client.client import RemoteRuntime  # noqa: PLC0415 - 10 MB

    def remote(transport: RuntimeTransport, variant: Variant) -> RemoteRuntime:
        return RemoteRuntime(
            transport,
            agent=env.agent_name,
            namespace=env.namespace,
            show_tools=env.show_tools,
            variant=variant,
        )

    own = remote(_transport(env, ready_seconds), env.variant)
    if rollout is None or env.variant is not Variant.STABLE:
        return own
    files = rollout

    def open_pod(host: str, port: int) -> RuntimeClient:
        from omnia_facade.runtime_client.builtin import BuiltinRuntimeTransport  # noqa: PLC0415 - as below

        # grpcio cannot say the line with the token.
        line = peer_line(files.token)
        return remote(BuiltinRuntimeTransport(host, port, preamble=line), Variant.CANDIDATE)

    pods = CandidatePods(open_pod)
    return RoutedRuntime(own, files, pods.reach, pods.close, stepped_in)


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
