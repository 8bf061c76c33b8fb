"""Model servers on this machine that are not started."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.names import Kind
from omnia_operator.plan.files import BASE_URLS

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {"http": 80, "https": 443}
_TIMEOUT_SECONDS = 1.0
_START = {11434: "ollama serve"}


async def silent_servers(documents: Sequence[Document]) -> list[tuple[str, Finding]]:
    """Return the name of each object whose model server does not listen, with the finding.

    Only servers on this machine are asked, and nothing is sent to them.
    """
    found = [each for document in documents for each in _servers(document)]
    listening = await asyncio.gather(*(_listens(host, port) for *_, host, port in found))
    return [
        (document.name, about(document, place, _message(host, port), "warning"))
        for (document, place, host, port), heard in zip(found, listening, strict=True)
        if not heard
    ]


def _servers(document: Document) -> Iterator[tuple[Document, ValuePath, str, int]]:
    """Yield place, host and port of the model server on this machine that an object names."""
    place: ValuePath = ("spec",) if document.kind == Kind.PROVIDER else ("spec", "provider")
    if document.kind not in (Kind.PROVIDER, Kind.AGENT_RUNTIME):
        return
    settings = document.value
    for step in place:
        inner = settings.get(str(step))
        settings = inner if isinstance(inner, dict) else {}
    address = settings.get("baseURL") or BASE_URLS.get(settings.get("type", ""))
    parts = urlsplit(str(address or ""))
    with contextlib.suppress(ValueError):  # a port that is no number
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if parts.hostname in _LOOPBACK:
            named = "baseURL" if "baseURL" in settings else "type"
            yield document, (*place, named), parts.hostname, port


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _message(host: str, port: int) -> str:
    how = f", for example with {_START[port]}" if port in _START else ""
    return (
        f"no model server listens at {host}:{port}: start it{how}, or correct baseURL; the next"
        " message finds it"
    )
