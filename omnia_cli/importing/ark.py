"""Reads the resources of ARK."""

import re
from urllib.parse import parse_qsl, urlsplit

from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.handlers import Header, Server, go_duration, http_url, secret_reference
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import agent_name, distinct, label, object_name, tool_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import Result, custom, described, own_metadata, present
from omnia_cli.importing.prompts import Prompt, rounds_of, with_prompt, with_variables
from omnia_cli.importing.secrets import is_secret_name
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

GROUP = "ark.mckinsey.com"
_PARAMETER = re.compile(r"\{\{-?\s*\.([A-Za-z_]\w*)\s*-?\}\}")
_SKIPPED = {
    "Team": "agents are no tools of agents yet",
    "A2AServer": "agents are no tools of agents yet",
    "ExecutionEngine": "a custom framework is an image: framework.type custom",
    "Query": "a query is a message to an agent",
    "Evaluation": "evaluations are part of a pack",
    "Evaluator": "evaluations are part of a pack",
    "Memory": "sessions are stored by session.type",
}


def read(inputs: Inputs, result: Result) -> None:
    """Add what becomes of the resources of ARK."""
    for source in inputs.of(GROUP, "Model"):
        _model(source, inputs, result)
    for source in inputs.of(GROUP, "Agent"):
        _agent(source, inputs, result)
    for source in inputs.of(GROUP, *_SKIPPED):
        lost = source.kind in ("Team", "A2AServer", "ExecutionEngine")
        source.note(NoteKind.NO_EQUIVALENT if lost else NoteKind.SKIPPED, _SKIPPED[source.kind])


def _root(source: Source) -> Fields:
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    return root


def _value(fields: Fields, name: str, inputs: Inputs) -> tuple[str | None, JsonObject | None]:
    """Return the text and the Secret of a value {value | valueFrom}."""
    if name not in fields:
        return None, None
    if not isinstance(fields.raw(name), dict):
        return fields.text(name), None
    block = fields.object(name)
    source = block.object("valueFrom")
    secret = source.object("secretKeyRef")
    if secret.text("name"):
        secret.known("optional")
        return None, secret_reference(secret.text("name") or "", secret.text("key") or "")
    reference = source.object("configMapKeyRef")
    target, key = reference.text("name"), reference.text("key") or ""
    if target:
        data = inputs.config_map(fields.source.namespace, target) or {}
        return data.get(key) or reference.ask(f"the value of ConfigMap {target}, key {key}"), None
    if "serviceRef" in source:
        service = source.object("serviceRef")
        named, port = service.text("name") or "", service.text("port") or "80"
        space = service.text("namespace") or fields.source.namespace
        path = service.text("path") or ""
        return f"http://{label(named)}.{label(space)}:{port}{path}", None
    return block.text("value"), None


def _model(source: Source, inputs: Inputs, result: Result) -> None:
    root = _root(source)
    spec = root.object("spec")
    kind = spec.text("type") or "openai"
    model, _ = _value(spec, "model", inputs)
    config = spec.object("config").object(kind)
    made: JsonObject = {"type": "openai", "model": model or spec.ask("the model", "model")}
    key, secret = _value(config, "apiKey", inputs)
    if key and secret is None:
        config.ask("a Secret with the API key: its value is not copied", "apiKey")
    made["secretRef"] = secret or {"name": Asked("the Secret that holds the API key")}
    if not key and secret is None:
        spec.ask("the Secret that holds the API key", "config")
    address, _ = _value(config, "baseUrl", inputs)
    if kind == "azure" and address:
        address = address.rstrip("/") + "/openai/v1"
        config.note(NoteKind.CHANGED, "check that the resource serves /openai/v1", "baseUrl")
    if address:
        made["baseURL"] = http_url(address, config, "baseUrl", "the address of the API")
    if kind not in ("openai", "azure"):
        spec.lack(
            f"{kind} is not served: give the address of a gateway that speaks OpenAI's protocol",
            "type",
        )
        made["baseURL"] = Asked(f"the gateway to {kind}", "https://replace-me.example.invalid")
    config.drop("Azure is asked at its address without versions", "apiVersion")
    for header in config.objects("headers"):
        name = header.text("name")
        text, hidden = _value(header, "value", inputs)
        if name and text is not None and not is_secret_name(name):
            made.setdefault("headers", {})[name] = text
        elif name and (hidden or text):
            header.lack("headers of a Provider are plain text: no Secret is one", "name")
    made["defaults"] = _defaults(config.object("properties"), inputs)
    result.add(
        custom(
            Kind.PROVIDER,
            source.namespace,
            object_name(source.name),
            made,
            [source],
            **own_metadata(source),
        )
    )
    root.finish()


def _defaults(properties: Fields, inputs: Inputs) -> JsonObject:
    names = {"temperature": "temperature", "top_p": "topP", "max_tokens": "maxTokens"}
    made: JsonObject = {}
    for theirs in properties.names():
        text, _ = _value(properties, theirs, inputs)
        if theirs not in names:
            properties.drop("no provider takes it", theirs)
            continue
        try:
            number = float(text or "")
        except ValueError:
            properties.ask("a number", theirs)
            continue
        made[names[theirs]] = int(number) if theirs == "max_tokens" else number
    return made


def _agent(source: Source, inputs: Inputs, result: Result) -> None:
    root = _root(source)
    spec = root.object("spec")
    name = agent_name(source, source.name)
    description = spec.text("description")
    handlers, read_from = _tools(spec, inputs)
    prompt = _prompt(spec, inputs)
    prompt.rounds = rounds_of(inputs.options, tools=bool(handlers))
    body = with_prompt(
        prompt,
        name=name,
        namespace=source.namespace,
        description=description,
        sources=[source],
        result=result,
    )
    reference = spec.object("modelRef")
    model = reference.text("name") or "default"
    entry = {"name": object_name(model)}
    space = reference.text("namespace")
    if space and space != source.namespace:
        entry["namespace"] = space
    if result.get("Provider", space or source.namespace, object_name(model)) is None:
        spec.ask(f"Model {model} is not among the input", "modelRef")
        result.add(
            custom(
                Kind.PROVIDER,
                space or source.namespace,
                object_name(model),
                {
                    "type": "openai",
                    "model": Asked("the model"),
                    "secretRef": {"name": Asked("the Secret that holds the API key")},
                },
            )
        )
    body["providers"] = [{"name": "default", "providerRef": entry}]
    if handlers:
        registry = f"{name}-tools"[:63].rstrip("-")
        result.add(
            custom(
                Kind.TOOL_REGISTRY, source.namespace, registry, {"handlers": handlers}, read_from
            )
        )
        body["toolRegistryRef"] = {"name": registry}
    spec.lack(
        "a conversation has no output schema: a function has one, mode: function", "outputSchema"
    )
    spec.lack("a custom framework is an image: framework.type custom", "executionEngine")
    spec.raw("outputSchema")
    metadata = own_metadata(source)
    annotations = described(metadata["annotations"], description)
    result.add(
        custom(
            Kind.AGENT_RUNTIME,
            source.namespace,
            name,
            body,
            [source],
            labels=metadata["labels"],
            annotations=annotations,
        )
    )
    root.finish()


def _prompt(spec: Fields, inputs: Inputs) -> Prompt:
    text = spec.text("prompt")
    known: dict[str, str] = {}
    for parameter in spec.objects("parameters"):
        name = parameter.text("name")
        value = parameter.text("value")
        source = parameter.object("valueFrom")
        reference = source.object("configMapKeyRef")
        if value is None and reference.text("name"):
            data = inputs.config_map(spec.source.namespace, reference.text("name") or "") or {}
            value = data.get(reference.text("key") or "")
        if name and value is not None:
            known[name] = value
        elif name:
            parameter.ask(f"the variable {name} of the prompt is given by the caller")
            source.known(*source.names())
    if not text:
        return Prompt([spec.ask("the system prompt", "prompt")])
    return Prompt(with_variables(text, _PARAMETER, known))


def _tools(spec: Fields, inputs: Inputs) -> tuple[list[JsonObject], list[Source]]:
    servers: dict[str, tuple[Server, Fields]] = {}
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
        root = _root(found)
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
        servers[each][0].handler(distinct(servers[each][0].name, taken), servers[each][1])
        if isinstance(each, str)
        else each
        for each in handlers
    ]
    return made, sources


def _mcp(
    block: Fields,
    inputs: Inputs,
    servers: dict[str, tuple[Server, Fields]],
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


def _server(source: Source | None, inputs: Inputs) -> Server:
    if source is None:
        endpoint = Asked("the address of the MCP server", "https://replace-me.example.invalid")
        return Server("mcp", {"transport": "streamable-http", "endpoint": endpoint})
    root = _root(source)
    spec = root.object("spec")
    address, _ = _value(spec, "address", inputs)
    url = http_url(address, spec, "address", "the address of the server")
    transport = "sse" if spec.text("transport") == "sse" else "streamable-http"
    server = Server(label(source.name), {"transport": transport, "endpoint": url}, sources=[source])
    if timeout := spec.text("timeout"):
        server.timeout = go_duration(timeout, spec, "timeout")
    for header in spec.objects("headers"):
        name = header.text("name")
        text, secret = _value(header, "value", inputs)
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
        text, secret = _value(header, "value", inputs)
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
