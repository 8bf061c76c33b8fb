"""Passes a call on to the pod that has its run, and the answer back as it comes."""

from urllib.parse import urlsplit

from omnia_facade.doors.exchange import FORWARDED
from omnia_rpc.client import Channel
from omnia_rpc.server import ServerCall


async def forward(
    call: ServerCall, path: str, message: bytes, owner: str, max_message_bytes: int
) -> None:
    """Make the same call, with the caller's own credential, to `owner`, a `host:port`.

    Raises:
        RpcFailed: the status of the other pod's answer, or that it cannot be reached.
    """
    address = urlsplit(f"//{owner}")
    channel = Channel(
        address.hostname or "",
        address.port or 0,
        max_message_bytes=max_message_bytes,
        user_agent="omnia-facade",
    )
    metadata = [(name, value) for name, value in call.metadata.items() if isinstance(value, str)]
    try:
        onward = channel.call(path, [*metadata, (FORWARDED, "1")])
        await onward.write(message)
        onward.end()
        while (answer := await onward.read()) is not None:
            await call.write(answer)
    finally:
        await channel.close()
