"""The tools of an agent of ARK: handlers for its servers and requests."""

from urllib.parse import parse_qsl, urlsplit

from omnia_cli.importing.ark.values import GROUP, root_of, value_of
from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.handlers import Header, ImportedServer, go_duration, http_url
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import distinct, label, tool_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import present
from omnia_cli.importing.secrets import is_secret_name
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject


def read_tools(spec: Fields, inputs: Inputs) -> tuple[list[JsonObject], list[Source]]:
    """Return the handlers of an agent, and the objects that they are made of."""
    servers: dict[str, tuple[ImportedServer, Fields]] = {}
    handlers: list[JsonObject | str] = []
    sources: list[Source] = []
    taken: set[str] = set()
    for tool in spec.objects("tools"):
        kind, name = tool.text("type") or "custom", tool.text("name") or ""
        if kind in ("built-in", "builtin"):
            tool.note(NoteKind.DROPPED, f"{name}: a turn ends when the model answers")
            continue
        found = inputs.find(GROUP, "Tool", spec.source.namespace, name)
        if found is None:
            tool.ask(f"Tool {name} is not among the input: the agent is written without it")
            continue
        root = root_of(found)
        block = root.object("spec")
        block.known("type", "description", "inputSchema")
        sources.append(found)
        if "mcp" in block:
            _mcp(block, inputs, servers, handlers, sources)
        elif "http" in block:
            handlers.append(_http(found, block, inputs, taken))
        else:
            block.lack("agents and teams are no tools yet", *block.names())
        if "partial" in tool:
            tool.lack("fixed arguments are httpConfig.staticBody and staticQuery", "partial")
            tool.raw("partial")
        root.finish()
    made = [
        servers[handler][0].handler(distinct(servers[handler][0].name, taken), servers[handler][1])
        if isinstance(handler, str)
        else handler
        for handler in handlers
    ]
    return made, sources


def _mcp(
    block: Fields,
    inputs: Inputs,
    servers: dict[str, tuple[ImportedServer, Fields]],
    handlers: list[JsonObject | str],
    sources: list[Source],
) -> None:
    mcp = block.object("mcp")
    reference = mcp.object("mcpServerRef")
    name, tool = reference.text("name") or "", mcp.text("toolName")
    space = reference.text("namespace") or block.source.namespace
    key = f"{space}/{name}"
    if key not in servers:
        found = inputs.find(GROUP, "MCPServer", space, name)
        servers[key] = _server(found, inputs), mcp
        if found is None:
            mcp.ask(f"MCPServer {name} is not among the input", "mcpServerRef")
        else:
            sources.append(found)
        handlers.append(key)
    if tool:
        servers[key][0].allowlist.append(tool)


def _server(source: Source | None, inputs: Inputs) -> ImportedServer:
    if source is None:
        endpoint = Asked("the address of the MCP server", "https://replace-me.example.invalid")
        return ImportedServer("mcp", {"transport": "streamable-http", "endpoint": endpoint})
    root = root_of(source)
    spec = root.object("spec")
    address, _ = value_of(spec, "address", inputs)
    url = http_url(address, spec, "address", "the address of the server")
    transport = "sse" if spec.text("transport") == "sse" else "streamable-http"
    server = ImportedServer(
        label(source.name), {"transport": transport, "endpoint": url}, sources=[source]
    )
    if timeout := spec.text("timeout"):
        server.timeout = go_duration(timeout, spec, "timeout")
    for header in spec.objects("headers"):
        name = header.text("name")
        text, secret = value_of(header, "value", inputs)
        if name:
            server.headers.append(Header(name, text, secret))
    spec.known("description", "pollInterval")
    root.finish()
    return server


def _http(source: Source, block: Fields, inputs: Inputs, taken: set[str]) -> JsonObject:
    http = block.object("http")
    url = http_url(http.text("url"), http, "url", "the address of the tool")
    parts = urlsplit(url)
    config: JsonObject = {"endpoint": url}
    if "{" in url:
        config = {"endpoint": f"{parts.scheme}://{parts.netloc}", "urlTemplate": parts.path or "/"}
    config["method"] = (http.text("method") or "GET").upper()
    if parts.query and "{" in url:
        config["staticQuery"] = dict(parse_qsl(parts.query, keep_blank_values=True))
    auth = None
    for header in http.objects("headers"):
        name = header.text("name") or ""
        text, secret = value_of(header, "value", inputs)
        if name.lower() == "authorization":
            reference = secret or {"name": header.ask("the Secret with the token"), "key": "token"}
            auth = {"type": "bearer", "secretRef": reference}
        elif secret is not None or is_secret_name(name):
            header.lack(f"{name}: headers of an http handler are plain text", "name")
        elif name:
            config.setdefault("headers", {})[name] = text or ""
    if "body" in http:
        http.ask("httpConfig.bodyMapping, a JMESPath expression, in place of the template", "body")
        http.drop("it belongs to the body", "bodyParameters")
        http.raw("bodyParameters")
    schema = block.raw("inputSchema")
    timeout = http.text("timeout")
    described_as = block.text("description") or block.ask("what the tool does", "description")
    return present(
        {
            "name": distinct(label(source.name), taken),
            "type": "http",
            "tool": {
                "name": tool_name(source.name),
                "description": described_as,
                "inputSchema": schema if isinstance(schema, dict) else {"type": "object"},
            },
            "httpConfig": config,
            "auth": auth,
            "timeout": go_duration(timeout, http, "timeout") if timeout else None,
        }
    )
