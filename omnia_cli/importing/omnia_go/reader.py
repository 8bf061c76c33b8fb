"""Reads resources of the Go Omnia: those in our shape are copied, the others are rewritten."""

from typing import Any

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import agent_name, label, object_name, tool_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, custom, own_metadata, present
from omnia_cli.importing.omnia_go.agents import read_agent
from omnia_cli.importing.omnia_go.shapes import as_number, is_theirs
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import GROUP, Kind

_TOOLS_DENIED = "tools that it denied are offered (planned: access rules)"
_SKIPPED = {
    "Workspace": "a namespace is enough",
    "AgentPolicy": _TOOLS_DENIED,
    "ToolPolicy": _TOOLS_DENIED,
}
_OTHER_ROLES = ("voyageai", "cartesia", "elevenlabs", "imagen", "huggingface")
_CONFIGS = ("httpConfig", "openAPIConfig", "grpcConfig", "mcpConfig", "clientConfig")


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add what becomes of the resources of our group."""
    known = [s for s in inputs.sources if s.format == "manifest" and s.group == GROUP]
    for source in known:
        if source.kind not in set(Kind):
            reason = _SKIPPED.get(source.kind, "it has no equivalent here")
            source.note(NoteKind.SKIPPED, reason)
        elif not is_theirs(source):
            _copy(source, result)
        elif source.kind in _READERS:
            root = Fields(source, source.value)
            root.known("apiVersion", "kind", "metadata", "status")
            _READERS[source.kind](source, root.object("spec"), inputs, result)
            root.finish()
    for source in known:
        if source.kind == Kind.AGENT_RUNTIME and is_theirs(source):
            read_agent(source, inputs, result)
    _grant(result)


def _copy(source: Source, result: ImportResult) -> None:
    spec = source.value.get("spec")
    _add(source, source.kind, spec if isinstance(spec, dict) else {}, result, own=True)


def _add(
    source: Source,
    kind: str,
    spec: JsonObject,
    result: ImportResult,
    *,
    own: bool = False,
    namespace: str | None = None,
) -> None:
    metadata = own_metadata(source)
    if own:
        found = Fields(source, source.value).object("metadata")
        metadata["annotations"] = found.mapping("annotations")
        metadata["annotations"].pop("kubectl.kubernetes.io/last-applied-configuration", None)
    named = (
        agent_name(source, source.name) if kind == Kind.AGENT_RUNTIME else object_name(source.name)
    )
    space = source.namespace if namespace is None else namespace
    result.add(custom(Kind(kind), space, named, spec, [source], **metadata))


def _provider(source: Source, spec: Fields, inputs: Inputs, result: ImportResult) -> None:  # noqa: ARG001
    role, kind = spec.text("role") or "llm", spec.text("type") or "openai"
    if role != "llm" or kind in _OTHER_ROLES:
        spec.known(*spec.names())
        source.note(NoteKind.SKIPPED, f"providers of the role {role} ({kind}) have no use here")
        return
    made: JsonObject = {"type": "claude" if kind == "anthropic" else kind}
    made["model"] = spec.text("model")
    credential = spec.object("credential")
    made["secretRef"] = spec.raw("secretRef") or credential.raw("secretRef")
    for name in ("envVar", "filePath"):
        if name in credential:
            asked = credential.ask("the Secret with the key", name)
            made["secretRef"] = {"name": asked}
    made["baseURL"] = spec.text("baseURL")
    if "platform" in spec or "auth" in spec:
        platform = spec.object("platform").text("type") or "a cloud"
        spec.object("platform").raw("region")
        spec.lack(
            f"{platform} is not served: give the address of a gateway that speaks"
            f" {'Claude' if made['type'] == 'claude' else 'OpenAI'}'s protocol",
            "platform",
            "auth",
        )
        spec.raw("platform")
        made["baseURL"] = spec.ask(
            f"the gateway to {platform}", "", "https://replace-me.example.invalid"
        )
    made["headers"] = spec.mapping("headers")
    made["defaults"] = numbers(spec.object("defaults"))
    made["pricing"] = numbers(spec.object("pricing"))
    for name in ("capabilities", "openai", "mock", "allowedNamespaces"):
        made[name] = spec.raw(name)
    spec.drop("kubectl describe provider tells whether the key is there", "validateCredentials")
    spec.drop("a Provider here has one use", "tts", "stt", "embedding")
    if not made["model"] and made["type"] != "mock":
        made["model"] = spec.ask("the model: there is no default one", "model")
    _add(source, "Provider", made, result)


def numbers(block: Fields) -> JsonObject:
    """Return a block whose numbers may be written as text."""
    return {name: as_number(block.raw(name)) for name in block.names()}


def _pack(source: Source, spec: Fields, inputs: Inputs, result: ImportResult) -> None:  # noqa: ARG001
    spec.lack("skills are not loaded", "skills", "skillsConfig")
    spec.drop("every version has one track", "track")
    _add(
        source,
        "PromptPack",
        {
            name: spec.raw(name)
            for name in spec.names()
            if name not in ("skills", "skillsConfig", "track")
        },
        result,
    )


def _policy(source: Source, spec: Fields, inputs: Inputs, result: ImportResult) -> None:
    hot, warm, cold = (spec.object(name) for name in ("hotCache", "warmStore", "coldArchive"))
    on = hot.flag("enabled") is not False
    made = {
        "ttlAfterInactive": hot.text("ttlAfterInactive") if on else None,
        "maxMessagesPerSession": hot.integer("maxMessagesPerSession") if on else None,
        "retentionDays": warm.integer("retentionDays"),
    }
    hot.known("enabled")
    hot.drop("only sessions and messages have limits", *hot.unread())
    warm.drop("tables are not divided", "partitionBy")
    if cold:
        days = cold.integer("retentionDays")
        cold.known(*cold.names())
        cold.note(
            NoteKind.DROPPED,
            f"what is older than retentionDays is deleted, not archived ({days} days)",
        )
    namespaces = sorted({s.namespace for s in inputs.of(GROUP, "AgentRuntime")})
    if not source.namespace:
        source.note(
            NoteKind.CHANGED,
            "a policy belongs to a namespace: there is one for each namespace of the agents",
        )
    for namespace in [source.namespace] if source.namespace else namespaces or [""]:
        _add(source, "SessionRetentionPolicy", present(made), result, namespace=namespace)


def _registry(source: Source, spec: Fields, inputs: Inputs, result: ImportResult) -> None:  # noqa: ARG001
    handlers = [_handler(handler) for handler in spec.objects("handlers")]
    handlers += [_tool(tool) for tool in spec.objects("tools")]
    made = {"handlers": handlers, "probe": spec.raw("probe")}
    made["allowedNamespaces"] = spec.raw("allowedNamespaces")
    _add(source, "ToolRegistry", present(made), result)


def _handler(handler: Fields) -> JsonObject:
    made: JsonObject = {
        name: handler.raw(name)
        for name in handler.names()
        if name not in (*_CONFIGS, "retries", "endpoint", "auth")
    }
    kind = handler.text("type") or "http"
    auth = handler.raw("auth")
    for name in _CONFIGS:
        if name not in handler:
            continue
        block = handler.object(name)
        config: Any = {
            key: block.raw(key) for key in block.names() if key not in ("authType", "authSecretRef")
        }
        if kind_of := block.text("authType"):
            auth = {"type": kind_of, **present({"secretRef": block.raw("authSecretRef")})}
        policy = config.get("retryPolicy")
        if isinstance(policy, dict):
            config["retryPolicy"] = numbers(block.object("retryPolicy"))
        if config.get("endpoint") == "":
            del config["endpoint"]
        made[name] = config
    own = f"{'openAPI' if kind == 'openapi' else kind}Config"
    made |= _endpoint(handler, kind, made, own)
    retries = handler.integer("retries")
    if kind == "client":
        handler.drop("the client executes the tool", "retries")
    elif retries:
        attempts = min(max(retries + 1, 1), 10)
        made.setdefault(own, {}).setdefault("retryPolicy", {"maxAttempts": attempts})
        handler.note(NoteKind.CHANGED, f"{retries} retries are {attempts} attempts", "retries")
    return present({**made, "auth": auth})


def _endpoint(handler: Fields, kind: str, made: JsonObject, own: str) -> JsonObject:
    if "endpoint" not in handler:
        return {}
    endpoint = handler.object("endpoint") if isinstance(handler.raw("endpoint"), dict) else None
    url = handler.text("endpoint") if endpoint is None else endpoint.text("url")
    if endpoint is not None and "selector" in endpoint:
        return {"selector": endpoint.raw("selector")}
    name = "specURL" if kind == "openapi" else "endpoint"
    return {own: {**(made.get(own) or {}), name: url}} if url else {}


def _tool(tool: Fields) -> JsonObject:
    name = tool.text("name") or "tool"
    made = _handler(tool)
    described: JsonObject = {
        "name": tool_name(name),
        "description": tool.text("description") or tool.ask("what the tool does", "description"),
        "inputSchema": tool.raw("inputSchema"),
    }
    if not described["inputSchema"]:
        tool.ask("the arguments of this tool, as inputSchema")
        described["inputSchema"] = {"type": "object"}
    for key in ("description", "inputSchema", "name"):
        made.pop(key, None)
    return {"name": label(name), **made, "tool": described}


def _grant(result: ImportResult) -> None:
    """Let agents use the Providers and registries of other namespaces that they name."""
    for agent in [w for w in result.objects.values() if w.kind == Kind.AGENT_RUNTIME]:
        entries = agent.spec.get("providers")
        named = [
            ("Provider", each.get("providerRef"))
            for each in entries or []
            if isinstance(each, dict)
        ]
        named.append(("ToolRegistry", agent.spec.get("toolRegistryRef")))
        for kind, reference in named:
            if not isinstance(reference, dict) or not isinstance(reference.get("namespace"), str):
                continue
            target = result.get(kind, reference["namespace"], str(reference.get("name")))
            if target is None or reference["namespace"] == agent.namespace:
                continue
            allowed = target.spec.get("allowedNamespaces")
            granted = list(allowed) if isinstance(allowed, list) else []
            if agent.namespace not in granted and "*" not in granted:
                target.spec["allowedNamespaces"] = [*granted, agent.namespace]
                for source in target.sources[:1]:
                    source.note(
                        NoteKind.CHANGED, f"agents of {agent.namespace} are granted its use"
                    )


_READERS = {
    "Provider": _provider,
    "PromptPack": _pack,
    "SessionRetentionPolicy": _policy,
    "ToolRegistry": _registry,
}
