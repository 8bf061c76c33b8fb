"""The tool servers of kagent: RemoteMCPServer, ToolServer, Service, and the MCPServer of kmcp."""

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.handlers import (
    Header,
    ImportedServer,
    go_duration,
    http_url,
    program,
    secret_reference,
)
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.models import authority
from omnia_cli.importing.names import label
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, Written, own_metadata, present
from omnia_cli.importing.pods import plain_variables
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

_NO_PATH = "/mcp"
_PORT = 3000


def server_of(
    kind: str, namespace: str, name: str, user: Fields, inputs: Inputs, result: ImportResult
) -> ImportedServer | None:
    """Return the server that a tool names; None if there is nothing to call."""
    for found_kind in (
        dict.fromkeys((kind, "RemoteMCPServer"))
        if kind
        else ("MCPServer", "RemoteMCPServer", "ToolServer")
    ):
        group = "" if found_kind == "Service" else "kagent.dev"
        source = inputs.find(group, found_kind, namespace, name)
        if source is not None:
            if found_kind != kind:
                user.note(NoteKind.CHANGED, f"{name} is used as the {found_kind} of that name")
            return _READERS[found_kind](source, inputs, result)
    what = f"the address of the MCP server {namespace}/{name}, which is not among the input"
    if name == "kagent-tool-server":
        what += f" (kagent's chart serves it at http://kagent-tools.{namespace}:8084/mcp)"
    config: JsonObject = {"transport": "streamable-http"}
    config["endpoint"] = user.ask(what, value="https://replace-me.example.invalid")
    return ImportedServer(label(name), config, timeout="30s")


def headers_of(fields: Fields, name: str, inputs: Inputs, namespace: str) -> list[Header]:
    """Return the headers of a list headersFrom."""
    found = []
    for entry in fields.objects(name):
        header = entry.text("name")
        source = entry.object("valueFrom")
        kind = source.text("type") or source.text("kind") or "Secret"
        reference = source.text("name") or source.text("valueRef")
        key = source.text("key") or ""
        value = entry.text("value")
        if not header:
            entry.note(NoteKind.ASKED, "expected the name of a header: it is left out")
        elif reference and kind == "ConfigMap":
            data = inputs.config_map(namespace, reference) or {}
            asked = None if key in data else f"the value of ConfigMap {reference}, key {key}"
            found.append(Header(header, source.ask(asked) if asked else data[key]))
        elif reference:
            space, _, secret = reference.rpartition("/")
            if space and space != namespace:
                source.note(NoteKind.ASKED, f"copy the Secret {secret} from namespace {space}")
            found.append(Header(header, secret=secret_reference(secret, key)))
        else:
            found.append(Header(header, value))
    return found


def _remote(source: Source, inputs: Inputs, result: ImportResult) -> ImportedServer:  # noqa: ARG001
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    sse = (spec.text("protocol") or "").upper() == "SSE"
    url = http_url(
        spec.text("url"),
        spec,
        "url",
        "the address of the server",
        "https" if "tls" in spec else "",
    )
    config = {"transport": "sse" if sse else "streamable-http", "endpoint": url}
    timeout = spec.text("timeout")
    server = ImportedServer(label(source.name), config, sources=[source])
    server.timeout = (go_duration(timeout, spec, "timeout") if timeout else None) or "30s"
    server.headers = headers_of(spec, "headersFrom", inputs, source.namespace)
    server.authority = authority(spec.object("tls"))
    spec.drop("the runtime decides", "sseReadTimeout", "terminateOnClose")
    spec.drop(
        "it was a limit on who may use the server through kagent; the server itself is"
        " reachable as before",
        "allowedNamespaces",
    )
    spec.known("description")
    root.finish()
    return server


def _tool_server(source: Source, inputs: Inputs, result: ImportResult) -> ImportedServer:  # noqa: ARG001
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    spec.known("description")
    config = spec.object("config")
    config.known("type")
    server = ImportedServer(label(source.name), {}, sources=[source])
    if "stdio" in config:
        stdio = config.object("stdio")
        secrets = [
            {"name": header.name, "secretRef": header.secret}
            for header in headers_of(stdio, "envFrom", inputs, source.namespace)
            if header.secret is not None
        ]
        server.config = program(
            stdio.text("command"), stdio.texts("args"), stdio.mapping("env"), secrets, stdio
        )
        seconds = stdio.integer("readTimeoutSeconds")
        server.timeout = f"{seconds}s" if seconds and 0 < seconds < 10**6 else "10s"
    else:
        sse = "sse" in config and "streamableHttp" not in config
        block = config.object("sse" if sse else "streamableHttp")
        url = http_url(block.text("url"), block, "url", "the address of the server")
        server.config = {"transport": "sse" if sse else "streamable-http", "endpoint": url}
        server.headers = [
            Header(name, value) for name, value in block.mapping("headers").items()
        ] + headers_of(block, "headersFrom", inputs, source.namespace)
        timeout = block.text("timeout")
        server.timeout = go_duration(timeout, block, "timeout") if timeout else None
        block.drop("the runtime decides", "sseReadTimeout", "terminateOnClose")
    root.finish()
    return server


def _service(source: Source, inputs: Inputs, result: ImportResult) -> ImportedServer:  # noqa: ARG001
    root = Fields(source, source.value)
    metadata, spec = root.object("metadata"), root.object("spec")
    annotations = metadata.mapping("annotations")
    ports = spec.objects("ports")
    found = annotations.get("kagent.dev/mcp-service-port")
    named = [port for port in ports if port.text("appProtocol") == "mcp"]
    chosen = ports if len(ports) == 1 else named
    port = found or (chosen[0].text("port") if chosen else None)
    if port is None or not port.isdecimal():
        port = spec.ask(
            "the port of the MCP server: annotate kagent.dev/mcp-service-port", "ports", "80"
        )
    path = annotations.get("kagent.dev/mcp-service-path") or _NO_PATH
    sse = annotations.get("kagent.dev/mcp-service-protocol") == "SSE"
    address = f"http://{label(source.name)}.{label(source.namespace)}:{port}/{path.lstrip('/')}"
    config = {"transport": "sse" if sse else "streamable-http", "endpoint": address}
    return ImportedServer(label(source.name), config, sources=[source])


def _kmcp(source: Source, inputs: Inputs, result: ImportResult) -> ImportedServer:
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    deployment = spec.object("deployment")
    stdio = spec.text("transportType") == "stdio" or "stdioTransport" in spec
    spec.known("stdioTransport")
    http = spec.object("httpTransport")
    timeout = spec.text("timeout")
    limit = (go_duration(timeout, spec, "timeout") if timeout else None) or "30s"
    port = deployment.integer("port") or _PORT
    address = f"http://{label(source.name)}.{label(source.namespace)}:{port}/mcp"
    server = ImportedServer(label(source.name), {}, timeout=limit, sources=[source])
    http.known("targetPort")
    if (path := http.text("path")) and path != _NO_PATH:
        http.note(NoteKind.CHANGED, f"kagent calls {_NO_PATH}, not {path}", "path")
    if not inputs.options.own_servers:
        source.note(
            NoteKind.KEPT,
            "it goes on running under kmcp, which comes with kagent's chart; its Service is used",
        )
        server.config = {"transport": "streamable-http", "endpoint": address}
        return server
    command, arguments = deployment.text("cmd"), deployment.texts("args")
    environment = deployment.mapping("env")
    references = deployment.objects("secretRefs")
    if stdio:
        secrets = []
        for reference in references:
            name = reference.text("name") or ""
            keys = inputs.secret_keys(source.namespace, name)
            if keys is None:
                reference.ask(f"the keys of Secret {name} as envFrom: it is not among the input")
            secrets += [
                {"name": key, "secretRef": secret_reference(name, key)} for key in keys or []
            ]
        server.config = program(command, arguments, environment, secrets, deployment)
        deployment.drop(
            "the program runs in the runtime's container",
            "image",
            "initContainer",
            "sidecars",
            "volumes",
            "volumeMounts",
            "resources",
        )
    else:
        server.config = {"transport": "streamable-http", "endpoint": address}
        _deploy(source, deployment, command, arguments, environment, references, port, result)
    root.finish()
    return server


def _deploy(
    source: Source,
    deployment: Fields,
    command: str | None,
    arguments: list[str],
    environment: dict[str, str],
    references: list[Fields],
    port: int,
    result: ImportResult,
) -> None:
    name = label(source.name)
    labels = {"app.kubernetes.io/name": name}
    image = deployment.text("image") or deployment.ask("the image of the server", "image")
    named = [reference.text("name") for reference in references]
    container = present(
        {
            "name": "mcp-server",
            "image": image,
            "command": [command] if command else [],
            "args": arguments,
            "env": plain_variables(environment, deployment),
            "envFrom": [{"secretRef": {"name": label(each)}} for each in named if each],
            "ports": [{"name": "http", "containerPort": port}],
            "resources": deployment.raw("resources"),
            "volumeMounts": deployment.raw("volumeMounts"),
        }
    )
    pod = present({"containers": [container], "volumes": deployment.raw("volumes")})
    template = {"metadata": {"labels": labels}, "spec": pod}
    selector = {"matchLabels": labels}
    spec = {"selector": selector, "template": template}
    result.add(
        Written(
            "Deployment", source.namespace, name, {"spec": spec}, [source], **own_metadata(source)
        )
    )
    ports = [{"name": "http", "port": port, "targetPort": port}]
    body = {"spec": {"selector": labels, "ports": ports}}
    result.add(Written("Service", source.namespace, name, body))


_READERS = {
    "RemoteMCPServer": _remote,
    "ToolServer": _tool_server,
    "Service": _service,
    "MCPServer": _kmcp,
}
