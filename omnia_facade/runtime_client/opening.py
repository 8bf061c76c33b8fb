"""Opens the runtime's client with the transport that the environment selects."""

from collections.abc import Callable

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_core.errors import ConfigurationError
from omnia_core.names import Handler, Variant
from omnia_facade.rollout.files import RolloutFiles
from omnia_facade.rollout.peer_door import peer_line
from omnia_facade.runtime_client.peer_pods import PeerPods
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.runtime_client.routed import RolloutSides, RoutedRuntime
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
    other side are routed to its pods; `stepped_in` is called with the reason when stable answers in
    place of the candidate.

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
    if rollout is None:
        return own
    files = rollout
    stable = env.variant is Variant.STABLE
    other = Variant.CANDIDATE if stable else Variant.STABLE

    def open_pod(host: str, port: int) -> RuntimeClient:
        from omnia_facade.runtime_client.builtin import BuiltinRuntimeTransport  # noqa: PLC0415 - as below

        # grpcio cannot say the line with the token.
        line = peer_line(files.token)
        return remote(BuiltinRuntimeTransport(host, port, preamble=line), other)

    pods = PeerPods(open_pod)
    # Only failures to reach the candidate are counted.
    count = stepped_in if stable else _uncounted
    sides = RolloutSides(own, env.variant, other)
    return RoutedRuntime(sides, files, pods.reach, pods.close, count)


def _uncounted(_: str) -> None:
    """Do not count that the candidate answered in place of stable."""


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
