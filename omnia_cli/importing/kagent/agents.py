"""Agents of kagent as AgentRuntimes, with their tools and prompts."""

from dataclasses import dataclass, field
from typing import Any

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.handlers import Server
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.gotemplate import NotFilledIn, Values, fill_in
from omnia_cli.importing.kagent.models import Model, missing_model
from omnia_cli.importing.kagent.servers import headers_of, server_of
from omnia_cli.importing.names import distinct, label
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import Result, custom, described, own_metadata
from omnia_cli.importing.prompts import Fragment, Prompt, rounds_of, with_prompt, words_in_braces
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

_CARD = "an agent's card is facade.a2a.agentCard: write it there"


@dataclass
class Models:
    """The ModelConfigs of the input by namespace and name, and the Providers of agents."""

    known: dict[tuple[str, str], Model]
    used: set[tuple[str, str]] = field(default_factory=set)
    windows: dict[tuple[str, str], JsonObject] = field(default_factory=dict)

    def provider(
        self, agent: str, user: Fields, reference: str, window: JsonObject, result: Result
    ) -> tuple[JsonObject, Model]:
        """Return a providers entry, and its model; the Provider is added."""
        space, _, name = reference.rpartition("/")
        namespace = label(space) if space else user.source.namespace
        key = namespace, name
        model = self.known.get(key)
        if model is None:
            model = missing_model(name, namespace, user.source, user)
            self.known[key] = model
        self.used.add(key)
        spec = dict(model.spec)
        shared = self.windows.setdefault(key, window)
        ours = model.name
        if shared != window:
            ours = label(f"{model.name}-{agent}")
            user.note(
                NoteKind.CHANGED,
                f"the Provider {ours} is a copy of {model.name}, because"
                " agents with other compaction use it",
            )
        if window:
            spec["defaults"] = {**spec.get("defaults", {}), **window}
        written = result.add(custom(Kind.PROVIDER, namespace, ours, spec, model.sources))
        entry: JsonObject = {"name": ours}
        if namespace != user.source.namespace:
            entry["namespace"] = namespace
            granted = written.spec.setdefault("allowedNamespaces", [])
            if user.source.namespace not in granted:
                granted.append(user.source.namespace)
        return {"name": "default", "providerRef": entry}, model


def declarative(
    source: Source,
    name: str,
    spec: Fields,
    inputs: Inputs,
    models: Models,
    result: Result,
    *,
    description: str | None,
    deployment: JsonObject,
    window: JsonObject,
    reference: str,
    more: JsonObject | None = None,
) -> None:
    """Add an AgentRuntime whose loop ours runs; `spec` has its prompt and tools."""
    handlers, servers = tools(spec, name, inputs, result)
    entry, model = models.provider(name, spec, reference, window, result)
    prompt = _prompt(spec, source, name, description, inputs)
    prompt.parameters = dict(model.parameters)
    prompt.rounds = rounds_of(inputs.options, tools=bool(handlers))
    body: JsonObject = with_prompt(
        prompt,
        name=name,
        namespace=source.namespace,
        description=description,
        sources=[source],
        result=result,
    )
    body["providers"] = [entry]
    if handlers:
        registry = f"{name}-tools"[:63].rstrip("-")
        read = [s for server in servers for s in server.sources]
        result.add(
            custom(Kind.TOOL_REGISTRY, source.namespace, registry, {"handlers": handlers}, read)
        )
        body["toolRegistryRef"] = {"name": registry}
        if inputs.options.rounds is None:
            spec.note(
                NoteKind.CHANGED,
                "a turn has at most 5 rounds and 10 calls of tools, not"
                " hundreds: --rounds N writes another limit",
                "tools",
            )
    body |= more or {}
    body["runtime"] = deployment
    metadata = own_metadata(source)
    result.add(
        custom(
            Kind.AGENT_RUNTIME,
            source.namespace,
            name,
            body,
            [source],
            labels=metadata["labels"],
            annotations=described(metadata["annotations"], description),
        )
    )


def window_of(compaction: Fields) -> JsonObject:
    """Return the context window of a Provider for the compaction of an agent."""
    tokens = compaction.integer("tokenThreshold")
    summarizer = compaction.object("summarizer")
    summarizer.drop("the agent's own model makes the summary", "modelConfig", "promptTemplate")
    compaction.drop(
        "it counts invocations", "compactionInterval", "overlapSize", "eventRetentionSize"
    )
    if tokens is None or tokens < 1:
        if compaction:
            compaction.note(
                NoteKind.DROPPED, "without tokenThreshold the whole conversation is sent"
            )
        return {}
    compaction.note(
        NoteKind.CHANGED,
        "kagent compacts after a turn of that many tokens; nothing longer is sent here",
        "tokenThreshold",
    )
    summarized = "summarizer" in compaction or compaction.source.version == "v1alpha3"
    return {
        "contextWindow": tokens,
        "truncationStrategy": "summarize" if summarized else "sliding",
    }


def tools(
    spec: Fields, agent: str, inputs: Inputs, result: Result
) -> tuple[list[JsonObject], list[Server]]:
    """Return the handlers of an agent, and the servers behind them."""
    found: list[tuple[Server, Fields]] = []
    for tool in spec.objects("tools"):
        tool.known("type")
        if "agent" in tool or "subAgent" in tool:
            _agent_tool(tool, agent)
        elif "mcpServer" in tool:
            _add(found, _selected(tool, tool.object("mcpServer"), inputs, result), tool)
        elif "mcp" in tool:
            _add(found, _selected_1_0(tool.object("mcp"), inputs, result), tool)
        else:
            tool.note(NoteKind.ASKED, "expected mcpServer, mcp or agent: the tool is left out")
    taken: set[str] = set()
    handlers = [server.handler(distinct(server.name, taken), tool) for server, tool in found]
    return handlers, [server for server, _ in found]


def _agent_tool(tool: Fields, agent: str) -> None:
    block = tool.object("agent" if "agent" in tool else "subAgent")
    name = block.text("ref") or block.text("name") or "?"
    space = block.text("namespace")
    block.known("kind", "apiGroup", "description", "templateRef")
    tool.known("isolateSessions")
    target = f"{space}/{name}" if space else name
    tool.note(
        NoteKind.NO_EQUIVALENT,
        f"agents are no tools of agents yet: until then {agent} cannot call {target}, which its"
        " prompt may still name",
    )


def _selected(tool: Fields, block: Fields, inputs: Inputs, result: Result) -> Server | None:
    name = block.text("name") or block.text("toolServer") or ""
    kind = block.text("kind") or ("ToolServer" if "toolServer" in block else "")
    space, _, name = name.rpartition("/")
    namespace = block.text("namespace") or space or tool.source.namespace
    block.known("apiGroup")
    server = server_of(kind, namespace, name, tool, inputs, result)
    if server is None:
        return None
    server.headers += headers_of(tool, "headersFrom", inputs, tool.source.namespace)
    if namespace != tool.source.namespace and any(each.secret for each in server.headers):
        tool.note(NoteKind.ASKED, f"copy the Secrets of the headers from namespace {namespace}")
    offered = block.texts("toolNames") if "toolNames" in block else []
    held = block.texts("requireApproval") if "requireApproval" in block else []
    if allowed := block.texts("allowedHeaders") if "allowedHeaders" in block else []:
        block.note(
            NoteKind.DROPPED,
            f"headers of the caller are never sent to a tool: {', '.join(allowed)}",
            "allowedHeaders",
        )
    return _without_approval(server, offered, held, block, inputs)


def _selected_1_0(block: Fields, inputs: Inputs, result: Result) -> Server | None:
    reference = block.object("server")
    name, kind = reference.text("name") or "", reference.text("kind") or "RemoteMCPServer"
    namespace = reference.text("namespace") or block.source.namespace
    reference.known("apiGroup")
    offered = block.texts("tools") if "tools" in block else []
    server = server_of(kind, namespace, name, block, inputs, result)
    held = offered if block.flag("requireApproval") else []
    if server is None or (block.flag("requireApproval") and not offered):
        block.note(NoteKind.NO_EQUIVALENT, "its tools need a person's approval: it is left out")
        return None
    return _without_approval(server, offered, held, block, inputs)


def _without_approval(
    server: Server, offered: list[str], held: list[str], block: Fields, inputs: Inputs
) -> Server | None:
    server.allowlist = offered
    if not held:
        return server
    if inputs.options.keep_approved:
        block.note(
            NoteKind.CHANGED,
            f"{', '.join(held)}: called without a person's approval",
            "requireApproval",
        )
        return server
    block.note(
        NoteKind.NO_EQUIVALENT,
        f"{', '.join(held)}: a person's approval is needed, so they"
        " are left out (--without-approval keeps them)",
        "requireApproval",
    )
    server.allowlist = [name for name in offered if name not in held]
    if offered and not server.allowlist:
        return None
    if not offered:
        server.config["toolFilter"] = {"blocklist": held}
    return server


def _add(found: list[tuple[Server, Fields]], server: Server | None, tool: Fields) -> None:
    """Add a server, or unite its tools with an entry of the same server and headers."""
    if server is None:
        return
    for known, _ in found:
        if (known.name, known.config, known.headers) == (
            server.name,
            server.config,
            server.headers,
        ):
            both = [*known.allowlist, *server.allowlist]
            one_is_open = not known.allowlist or not server.allowlist
            known.allowlist = [] if one_is_open else list(dict.fromkeys(both))
            return
    found.append((server, tool))


def _prompt(
    spec: Fields, source: Source, name: str, description: str | None, inputs: Inputs
) -> Prompt:
    text = spec.text("systemMessage") or spec.text("systemPrompt")
    spec.known("systemMessage", "systemPrompt")
    for field_name in ("systemMessageFrom", "systemPromptFrom"):
        reference = spec.object(field_name)
        if text or not reference:
            continue
        kind, target = reference.text("type") or "ConfigMap", reference.text("name") or ""
        key = reference.text("key") or ""
        data = None if kind == "Secret" else inputs.config_map(source.namespace, target)
        text = (data or {}).get(key) or reference.ask(f"the text of {kind} {target}, key {key}")
    template = spec.object("promptTemplate")
    if not text:
        return Prompt([spec.ask("the system prompt", "systemMessage")])
    if "promptTemplate" not in spec:
        _braces(text, spec)
        return Prompt([text])
    values = _values(template, source, name, description, spec.raw("tools"), inputs)
    try:
        pieces = fill_in(text, values)
    except NotFilledIn as error:
        template.note(
            NoteKind.ASKED,
            f"the template is not filled in, for {error}: its text is kept after replace-me",
        )
        return Prompt([f"replace-me\n{text}"])
    template.note(
        NoteKind.CHANGED,
        "the template is filled in here, once: later changes of its ConfigMaps are not seen",
    )
    return Prompt(pieces)


def _values(
    template: Fields,
    source: Source,
    name: str,
    description: str | None,
    listed: Any,
    inputs: Inputs,
) -> Values:
    data: dict[str, tuple[str, dict[str, str] | None]] = {}
    for entry in template.objects("dataSources"):
        target = entry.text("name") or ""
        entry.known("kind", "apiGroup")
        data[entry.text("alias") or target] = target, inputs.config_map(source.namespace, target)
    entries = (
        [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    )
    blocks = [entry.get("mcpServer") or entry.get("mcp") for entry in entries]
    offered = [
        each
        for block in blocks
        if isinstance(block, dict)
        and isinstance(named := block.get("toolNames") or block.get("tools"), list)
        for each in named
        if isinstance(each, str)
    ]

    def include(path: str) -> Fragment:
        alias, _, key = path.partition("/")
        target, content = data.get(alias, (alias, None))
        text = (content or {}).get(key)
        if text is None:
            space = source.namespace
            what = (
                f"the text of ConfigMap {target}, key {key}:"
                f" kubectl get cm -n {space} {target} -o yaml"
            )
            text = template.ask(what)
        slug = "".join(c if c.isalnum() and c.isascii() else "_" for c in f"{alias}_{key}")
        return Fragment(slug, text)

    texts = {
        "AgentName": name,
        "AgentNamespace": source.namespace,
        "Description": description or "",
    }
    return Values(texts, {"ToolNames": offered, "SkillNames": []}, include)


def _braces(text: str, spec: Fields) -> None:
    words = words_in_braces(text)
    if words and spec.source.value and spec.text("runtime") == "go":
        spec.note(
            NoteKind.CHANGED,
            f"{{{words[0]}}} was filled in from the state of the session; it is literal here",
            "systemMessage",
        )
