"""Whether the addresses of tool servers lead to Services that are among the manifests."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.names import API_VERSION, Kind
from omnia_core.suggestions import listed
from omnia_operator import api
from omnia_operator.api.findings import suggestion

# The domain of Services within a cluster.
_DOMAINS = ("", "svc", "svc.cluster.local")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def check_servers(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield each address whose Service has no such port, or is not there.

    A Service that is not there is a warning only: it may be in the cluster already. It is none
    where the manifests have no Service at all.
    """
    services = {document.key: document for document in documents if document.kind == "Service"}
    for document in documents:
        if document.kind != Kind.TOOL_REGISTRY or document.value.get("apiVersion") != API_VERSION:
            continue
        try:
            registry = api.parse(document.value)
        except api.InvalidResource:
            continue
        if not isinstance(registry, api.ToolRegistry):
            continue
        for index, handler in enumerate(registry.spec.handlers):
            found = _service(handler.address or "", document.namespace)
            if found is not None:
                key, port = found
                place: ValuePath = ("spec", "handlers", index)
                yield from _check(document, place, key, port, services)


def _check(
    document: Document,
    place: ValuePath,
    key: tuple[str, str],
    port: int | None,
    services: Mapping[tuple[str, str], Document],
) -> Iterator[Finding]:
    namespace, name = key
    service = services.get(key)
    if service is None:
        there = [other for where, other in services if where == namespace]
        if there:
            near = suggestion(name, there) or f"; there: {listed(there)}"
            message = f'its server is the Service "{name}", which is not among the manifests{near}'
            yield about(document, place, message, "warning")
        return
    ports = [
        each.get("port")
        for each in (service.value.get("spec") or {}).get("ports") or ()
        if isinstance(each, dict)
    ]
    if port is not None and port not in ports:
        has = listed([str(each) for each in ports]) or "none"
        yield about(
            document,
            place,
            f'the Service "{name}" has no port {port}; it has: {has}',
            "error",
        )


def _service(address: str, namespace: str) -> tuple[tuple[str, str], int | None] | None:
    """Return the Service that an address names, and the port; None when it names none."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    name, _, rest = host.partition(".")
    elsewhere, _, domain = rest.partition(".")
    is_service = name and not host.replace(".", "").isdigit() and name != "localhost"
    if not is_service or ":" in host or "{" in host or "$" in host:
        return None
    if not rest:
        return (namespace, name), port or _DEFAULT_PORTS.get(parts.scheme)
    # `name.namespace` alone could be any host of the internet.
    if domain in _DOMAINS[1:]:
        return (elsewhere, name), port or _DEFAULT_PORTS.get(parts.scheme)
    return None
