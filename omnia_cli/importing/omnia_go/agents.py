"""AgentRuntimes of the Go Omnia, of January and of July 2026, as ours."""

from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import agent_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, agent_runtime, present
from omnia_cli.importing.omnia_go.shapes import MOCK, as_number
from omnia_cli.importing.pods import of_pods, placement, variables, variables_of_objects, volumes
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

_COPIED = (
    "mode",
    "prompt",
    "externalAuth",
    "toolRegistryRef",
    "rollout",
    "inputSchema",
    "outputSchema",
)
_FRAMEWORKS = ("langchain", "crewai", "autogen")
_MOST_REPLICAS = 100


def read_agent(source: Source, inputs: Inputs, result: ImportResult) -> None:
    """Add the AgentRuntime."""
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    made: JsonObject = {"mode": spec.raw("mode")}
    made |= _pack(spec)
    made |= _providers(source, spec)
    made |= {name: spec.raw(name) for name in _COPIED}
    made["framework"] = _framework(spec)
    made["facade"] = _facade(spec)
    made["session"] = _session(spec)
    made["evals"] = _evals(spec)
    made["runtime"] = _runtime(spec, source, inputs)
    _media(spec, made)
    spec.lack("there is no memory over conversations yet (planned: spec.memory)", "memory")
    spec.lack("sessions have no privacy policy", "privacyPolicyRef", "duplex")
    spec.drop("there are no groups of services", "serviceGroup")
    if "console" in spec:
        spec.note(NoteKind.DROPPED, "facade.console: true shows the page of an agent", "console")
    if "outputFormat" in spec:
        spec.note(NoteKind.DROPPED, "functions answer by their outputSchema", "outputFormat")
    for name in ("memory", "duplex", "console", "privacyPolicyRef"):
        spec.raw(name)
    name = agent_name(source, source.name)
    result.add(agent_runtime(source, name, made))
    root.finish()


def _pack(spec: Fields) -> JsonObject:
    if "promptPackRef" not in spec:
        return {}
    reference = spec.object("promptPackRef")
    track = reference.text("track")
    if track == "stable":
        reference.drop("that is what an agent without a version gets", "track")
    elif track:
        reference.ask("the version in place of a track", "track")
    return {
        "promptPackRef": present(
            {"name": reference.text("name"), "version": reference.text("version")}
        )
    }


def _providers(source: Source, spec: Fields) -> JsonObject:
    metadata = Fields(source, source.value).object("metadata")
    mocked = metadata.object("annotations").text(MOCK) == "true"
    if mocked:
        source.note(NoteKind.CHANGED, f"the annotation {MOCK}: the provider is a mock")
        spec.drop("the provider is a mock", "providerRef", "provider", "providers")
        return {"provider": {"type": "mock"}}
    if "providerRef" in spec:
        reference = spec.raw("providerRef")
        return {"providers": [{"name": "default", "providerRef": reference}]}
    if "providers" in spec:
        return {"providers": [e for e in map(_entry, spec.objects("providers")) if e]}
    if "provider" not in spec:
        return {}
    return {"provider": _inline(spec.object("provider"))}


def _inline(block: Fields) -> JsonObject:
    kind = block.text("type")
    made: JsonObject = {"type": kind}
    if kind in (None, "auto"):
        block.ask("the type, which was found by the key's name: is it openai?", "type")
        made["type"] = "openai"
    made["model"] = block.text("model")
    if not made["model"] and kind != "mock":
        made["model"] = block.ask("the model: there is no default one", "model")
    made["secretRef"] = block.raw("secretRef") if kind != "mock" else None
    if kind not in ("mock", "ollama", "vllm") and not made["secretRef"] and "baseURL" not in block:
        made["secretRef"] = {"name": block.ask("the Secret that holds the API key", "secretRef")}
    made["baseURL"] = block.text("baseURL")
    for theirs, ours in (("config", "defaults"), ("defaults", "defaults"), ("pricing", "pricing")):
        if theirs in block:
            inner = block.object(theirs)
            values = {name: inner.raw(name) for name in inner.names()}
            made[ours] = {name: as_number(value) for name, value in values.items()}
    more = block.object("additionalConfig")
    if "mock_config" in more:
        more.ask("a ConfigMap with the responses, as provider.mock.configMapRef", "mock_config")
    more.drop("it has no equivalent", *more.names())
    return present(made)


def _entry(entry: Fields) -> JsonObject:
    role = entry.text("role") or "llm"
    entry.drop("capabilities are not compared", "requiredCapabilities")
    if role != "llm":
        entry.known(*entry.names())
        entry.note(NoteKind.NO_EQUIVALENT, f"a provider of the role {role} has no use here")
        return {}
    return present({"name": entry.text("name"), "providerRef": entry.raw("providerRef")})


def _framework(spec: Fields) -> JsonObject:
    framework = spec.object("framework")
    made = {name: framework.raw(name) for name in framework.names()}
    if made.get("type") in _FRAMEWORKS:
        framework.note(NoteKind.CHANGED, f"{made['type']} is an image of yours: custom", "type")
        made["type"] = "custom"
        if not made.get("image"):
            made["image"] = framework.ask("an image that serves omnia.runtime.v1")
    return made


def _facade(spec: Fields) -> JsonObject:
    made: JsonObject = {}
    single = spec.object("facade")
    if single:
        made = {name: single.raw(name) for name in single.names()}
    served = False
    for facade in spec.objects("facades"):
        kind = facade.text("type")
        if kind in ("websocket", "rest", "grpc") and not served:
            served = True
            made |= {"type": "websocket" if kind == "websocket" else "grpc"}
            made |= {name: facade.raw(name) for name in ("port", "handler", "image", "extraEnv")}
            facade.lack(
                "the time of a client's tool and of the end of a pod are fixed",
                "drainTimeout",
                "clientToolTimeout",
            )
            facade.lack("set externalAuth and facade.expose", "managementPlane", "expose")
            facade.raw("expose")
        elif kind == "a2a":
            _a2a(facade)
        else:
            facade.lack(f"a facade of the type {kind} is not written", *facade.names())
            for name in facade.names():
                facade.raw(name)
    return present(made)


def _a2a(facade: Fields) -> None:
    block = facade.object("a2a")
    for client in block.objects("clients"):
        client.note(
            NoteKind.NO_EQUIVALENT, f"{client.text('name')}: agents are no tools of agents yet"
        )
        client.known(*client.names())
    block.known(*block.names())
    facade.known("port", *facade.names())
    facade.note(
        NoteKind.NO_EQUIVALENT,
        "the card goes to facade.a2a.agentCard; A2A is served on facade.port",
        "a2a",
    )


def _session(spec: Fields) -> JsonObject:
    session = spec.object("session") if "session" in spec else spec.object("context")
    made = {name: session.raw(name) for name in session.names() if name != "storeRef"}
    if "storeRef" in session:
        reference = session.object("storeRef")
        made["storeRef"] = {"name": reference.text("name")}
        key = reference.text("key")
        if key and key != "url":
            reference.ask("the key of the Secret has to be called url", "key")
        elif key:
            reference.drop("it is always url", "key")
    return made


def _evals(spec: Fields) -> JsonObject:
    evals = spec.object("evals")
    evals.drop("evaluations run where the operator runs them", "inline", "worker", "podOverrides")
    return {
        name: evals.raw(name)
        for name in evals.names()
        if name not in ("inline", "worker", "podOverrides")
    }


def _runtime(spec: Fields, source: Source, inputs: Inputs) -> JsonObject:
    runtime, pods = spec.object("runtime"), spec.object("podOverrides")
    made = {
        name: runtime.raw(name) for name in runtime.names() if name not in ("env", "autoscaling")
    }
    if "replicas" in spec:
        made["replicas"] = spec.integer("replicas")
    env = [*variables(runtime, "env"), *variables(pods, "extraEnv")]
    env += variables_of_objects(pods, "extraEnvFrom", source.namespace, inputs)
    own = made.get("extraEnv")
    made["extraEnv"] = [*(own if isinstance(own, list) else []), *env]
    made |= placement(pods) | volumes(pods, "extraVolumes", "extraVolumeMounts") | of_pods(pods)
    annotations = spec.mapping("extraPodAnnotations")
    if annotations:
        made["podAnnotations"] = {**made.get("podAnnotations", {}), **annotations}
    if "autoscaling" in runtime:
        made["autoscaling"] = _autoscaling(runtime.object("autoscaling"), source)
    return present(made)


def _autoscaling(scaling: Fields, source: Source) -> JsonObject:
    made = {name: scaling.raw(name) for name in scaling.names() if name != "keda"}
    if made.get("enabled") is True and "maxReplicas" not in made and _is_new(source):
        made["maxReplicas"] = _MOST_REPLICAS
        scaling.note(NoteKind.CHANGED, "the default of maxReplicas was 100 there and is 10 here")
    if "keda" in scaling:
        keda = scaling.object("keda")
        keda.drop(
            "without triggers ten connections a replica are aimed at: add a trigger to change that",
            "connectionThreshold",
        )
        made["keda"] = {
            name: keda.raw(name) for name in keda.names() if name != "connectionThreshold"
        }
    return present(made)


def _is_new(source: Source) -> bool:
    spec = source.value.get("spec")
    return isinstance(spec, dict) and bool({"facades", "context", "podOverrides"} & set(spec))


def _media(spec: Fields, made: JsonObject) -> None:
    media = spec.object("media")
    storage = media.object("storage")
    if not storage:
        made["media"] = {name: media.raw(name) for name in media.names()}
        return
    kind = storage.text("type") or "local"
    local = storage.object("local") if "local" in storage else storage
    if kind != "local":
        storage.lack(f"media in {kind} are not stored", *storage.names())
        for name in storage.names():
            storage.raw(name)
        return
    claim = local.text("volumeClaim")
    block = {
        "enabled": True,
        "storagePath": local.text("basePath"),
        "persistentVolumeClaim": {"claimName": claim} if claim else None,
        "defaultTTL": storage.text("defaultTTL"),
        "publicURL": Asked("where clients reach the agent", "https://replace-me.example.invalid"),
    }
    size = storage.integer("maxFileSizeBytes")
    block["maxFileSize"] = str(size) if size else None
    storage.ask("where clients reach the agent, as facade.media.publicURL")
    storage.drop("an address for an upload has a fixed time", "uploadURLTTL", "downloadURLTTL")
    made["facade"] = {**made.get("facade", {}), "media": present(block)}
