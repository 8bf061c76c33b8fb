"""Reads the resources of KAOS. Its ModelAPIs and MCPServers go on running under KAOS."""

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.handlers import ImportedServer
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import agent_name, distinct, label
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, agent_runtime, custom, present
from omnia_cli.importing.pods import placement, variables, volumes
from omnia_cli.importing.prompts import Prompt, with_prompt
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

GROUP = "kaos.tools"
_ROUNDS = 5  # the default of both
_RUNS = "it goes on running under KAOS; its Service is used"


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add what becomes of the resources of KAOS."""
    for source in inputs.of(GROUP, "Agent"):
        _agent(source, inputs, result)
    for source in inputs.of(GROUP, "ModelAPI", "MCPServer"):
        source.note(NoteKind.KEPT, _RUNS)
        spec = Fields(source, source.value).object("spec")
        if spec.text("runtime") == "python-string":
            spec.note(NoteKind.KEPT, "its tools are Python text, which only KAOS runs", "params")


def _agent(source: Source, inputs: Inputs, result: ImportResult) -> None:
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    config, container = spec.object("config"), spec.object("container")
    name = agent_name(source, source.name)
    description = config.text("description")
    handlers, servers, taken = [], [], set[str]()
    for server in spec.texts("mcpServers") if "mcpServers" in spec else []:
        address = f"http://mcpserver-{label(server)}.{label(source.namespace)}:8000/mcp"
        made = ImportedServer(label(server), {"transport": "streamable-http", "endpoint": address})
        handlers.append(made.handler(distinct(made.name, taken), spec))
        if found := inputs.find(GROUP, "MCPServer", source.namespace, server):
            servers.append(found)
    texts = [config.text("systemPrompt"), config.text("instructions")]
    prompt = Prompt(["\n\n".join(filter(None, texts)) or spec.ask("the system prompt", "config")])
    rounds = config.integer("reasoningLoopMaxSteps")
    if rounds is not None and rounds != _ROUNDS and rounds > 0:
        prompt.rounds = rounds
    if handlers and inputs.options.rounds:
        prompt.rounds = inputs.options.rounds
    body = with_prompt(
        prompt,
        name=name,
        namespace=source.namespace,
        description=description,
        sources=[source],
        result=result,
    )
    body["providers"] = [
        {"name": "default", "providerRef": {"name": _provider(spec, inputs, result)}}
    ]
    if handlers:
        registry = f"{name}-tools"[:63].rstrip("-")
        result.add(
            custom(Kind.TOOL_REGISTRY, source.namespace, registry, {"handlers": handlers}, servers)
        )
        body["toolRegistryRef"] = {"name": registry}
    _unmapped(spec, config, container)
    pod = spec.object("podSpec")
    resources = container.raw("resources")
    runtime = {"resources": resources if isinstance(resources, dict) else None, **placement(pod)}
    runtime |= volumes(pod, "volumes", "") | {"extraEnv": variables(container, "env")}
    pod.lack(
        "it has no equivalent",
        *[
            each
            for each in pod.names()
            if each not in ("nodeSelector", "tolerations", "affinity", "volumes")
        ],
    )
    body["runtime"] = present(runtime)
    result.add(agent_runtime(source, name, body, description))
    root.finish()


def _unmapped(spec: Fields, config: Fields, container: Fields) -> None:
    network = spec.object("agentNetwork")
    if others := (network.texts("access") if "access" in network else []):
        network.note(
            NoteKind.NO_EQUIVALENT,
            f"agents are no tools of agents yet: {', '.join(others)} cannot be called",
            "access",
        )
    network.lack("A2A is facade.a2a: write it there", "expose")
    memory = config.object("memory")
    memory.known("enabled")
    memory.drop(
        "a context window is in tokens: set defaults.contextWindow of the Provider",
        "contextLimit",
        "maxSessions",
        "maxSessionEvents",
    )
    if (memory.text("type") or "local") != "local":
        memory.lack("there is no memory over conversations yet", "type")
    config.lack("tasks are planned", "autonomous", "taskConfig")
    spec.lack("tasks are planned", "autonomous", "taskConfig")
    spec.drop("the agent does not wait for others", "waitForDependencies")
    container.lack("the built-in runtime runs every agent", "image", "command", "args")


def _provider(spec: Fields, inputs: Inputs, result: ImportResult) -> str:
    source = spec.source
    api, model = spec.text("modelAPI") or "", spec.text("model")
    found = inputs.find(GROUP, "ModelAPI", source.namespace, api)
    block = Fields(found, found.value).object("spec") if found else None
    hosted = block is not None and (block.text("mode") or "").lower() == "hosted"
    host = f"modelapi-{label(api)}.{label(source.namespace)}"
    port = "11434" if hosted else "8000"
    made: JsonObject = {
        "type": "ollama" if hosted else "openai",
        "model": model or spec.ask("the model", "model"),
        "baseURL": f"http://{host}:{port}/v1",
    }
    if found is None:
        made["baseURL"] = spec.ask(
            f"the address of ModelAPI {api}, which is not among the input",
            "modelAPI",
            "https://replace-me.example.invalid",
        )
    taken = {
        w.name
        for w in result.objects.values()
        if w.kind == Kind.PROVIDER and w.namespace == source.namespace
    }
    for name in (label(api), *(f"{label(api)}-{number}" for number in range(2, 1000))):
        there = result.get("Provider", source.namespace, name)
        if there is not None and there.spec == made:
            return name
        if name not in taken:
            result.add(
                custom(Kind.PROVIDER, source.namespace, name, made, [found] if found else [])
            )
            return name
    return label(api)
