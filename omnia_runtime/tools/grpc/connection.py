"""The channel to one gRPC tool server."""

from pathlib import Path

import grpc.aio
from msgspec import Struct

from omnia_core.files.changes import Signature, signature
from omnia_core.files.reading import read_file
from omnia_core.files.tools import GRPCConfig
from omnia_core.wire.tools.v1 import tools_pb2, tools_pb2_grpc

MAX_RESPONSE_BYTES = 10 * 1024 * 1024
_LARGEST_PEM = 1024 * 1024
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    ("grpc.max_send_message_length", MAX_RESPONSE_BYTES),
    # A server that has returned is found within seconds.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
    # Servers treat more frequent pings than one in five minutes as an attack. The timeout also
    # limits how long the kernel waits for acknowledgements from a machine that has vanished.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.enable_http_proxy", 0),
)


class ToolCalls(Struct, frozen=True):
    """The two calls of `omnia.tools.v1`."""

    execute: "grpc.aio.UnaryUnaryMultiCallable[tools_pb2.ToolRequest, tools_pb2.ToolResponse]"
    list_tools: (
        "grpc.aio.UnaryUnaryMultiCallable[tools_pb2.ListToolsRequest, tools_pb2.ListToolsResponse]"
    )


class GRPCToolConnection:
    """Opens its channel with the first call, and a new one when a file of its TLS has changed.

    A channel connects and reconnects by itself.
    """

    def __init__(self, config: GRPCConfig) -> None:
        """Read the configuration; nothing is connected yet.

        Raises:
            ValueError: the configuration is invalid; the message says why.
        """
        if config.tls and config.tls_insecure_skip_verify:
            raise ValueError(
                "gRPC always verifies certificates: set grpcConfig.tlsCAPath to the certificate"
                " authority of the server, and remove tlsInsecureSkipVerify"
            )
        if bool(config.tls_cert_path) != bool(config.tls_key_path):
            raise ValueError(
                "grpcConfig.tlsCertPath and tlsKeyPath need each other: add the missing one"
            )
        self._config = config
        self._target = config.endpoint.removeprefix("grpc://")
        paths = (config.tls_ca_path, config.tls_cert_path, config.tls_key_path)
        self._files = [Path(path) for path in paths if path and config.tls]
        self._signature: Signature = ()
        self._channel: grpc.aio.Channel | None = None
        self._calls: ToolCalls | None = None
        self._old: list[grpc.aio.Channel] = []

    def calls(self) -> ToolCalls:
        """Return the calls; to be used on the event loop.

        Raises:
            OSError: a TLS file cannot be read.
        """
        current = signature(self._files)
        if self._calls is None or current != self._signature:
            channel = self._open()
            if self._channel:
                # Its running calls may complete.
                self._old.append(self._channel)
            stub = tools_pb2_grpc.ToolServiceStub(channel)  # type: ignore[no-untyped-call] # generated
            self._channel, self._signature = channel, current
            self._calls = ToolCalls(stub.Execute, stub.ListTools)
        return self._calls

    async def retire(self, grace: float) -> None:
        """Close the replaced channels when their calls have ended, at the latest after `grace`."""
        channels, self._old = self._old, []
        for channel in channels:
            await channel.close(grace)

    async def close(self) -> None:
        """Close every channel; running calls are cancelled."""
        if self._channel:
            self._old.append(self._channel)
            self._channel = self._calls = None
        await self.retire(0)

    def _open(self) -> grpc.aio.Channel:
        config = self._config
        if not config.tls:
            return grpc.aio.insecure_channel(self._target, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            _read(config.tls_ca_path), _read(config.tls_key_path), _read(config.tls_cert_path)
        )
        return grpc.aio.secure_channel(self._target, credentials, options=_OPTIONS)


def _read(path: str) -> bytes | None:
    return read_file(path, _LARGEST_PEM) if path else None
