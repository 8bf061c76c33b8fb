"""Reads the resources of kagent: which object becomes what."""

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.agents import KagentModels, declarative, window_of
from omnia_cli.importing.kagent.harness import read_templates
from omnia_cli.importing.kagent.models import read_model
from omnia_cli.importing.names import agent_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, agent_runtime, custom
from omnia_cli.importing.pods import workload
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

GROUP = "kagent.dev"
_DEFAULT_MODEL = "default-model-config"
_SKIPPED = {
    "ModelProviderConfig": "it holds no model: a Provider has one model each",
    "AgentHarness": "channels and programs such as openclaw are no agents of ours",
    "Memory": "there is no memory over conversations yet (planned: spec.memory)",
    "SandboxTemplate": "agents run as ordinary pods",
    "EgressPolicy": "guard the pods with a NetworkPolicy",
    "Hook": "it is not known to omnia import",
}
_CARD = ("iconUrl", "documentationUrl", "version", "provider")


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add what becomes of the resources of kagent."""
    models = KagentModels(
        {
            (source.namespace, source.name): read_model(source, inputs)
            for source in inputs.of(GROUP, "ModelConfig")
        }
    )
    for source in inputs.of(GROUP, "Agent", "SandboxAgent"):
        if not (source.version == "v1alpha3" and source.kind == "Agent"):
            _agent(source, inputs, models, result)
    read_templates(inputs, models, result)
    for source in inputs.of(GROUP, "ModelConfig"):
        _unused(source, models, result, inputs)
    for source in inputs.of(GROUP, *_SKIPPED):
        source.note(NoteKind.SKIPPED, _SKIPPED[source.kind])


def _agent(source: Source, inputs: Inputs, models: KagentModels, result: ImportResult) -> None:
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    name = agent_name(source, source.name)
    description = spec.text("description")
    flat = source.version in ("v1alpha1", "v1alpha3")
    inner = spec if flat else spec.object("declarative")
    if spec.text("type") == "BYO" or "byo" in spec:
        _own_image(source, spec, name, description, inputs, result)
    elif not inner and source.version == "v1alpha2":
        spec.ask(
            f"Agent {source.namespace}/{source.name} has an empty spec: it was written as v1alpha1;"
            " import the file that it came from"
        )
    else:
        _common(spec, inner)
        deployment = spec.object("deployment") if flat else inner.object("deployment")
        declarative(
            source,
            name,
            inner,
            inputs,
            models,
            result,
            description=description,
            deployment=workload(deployment, source.namespace, inputs),
            window=window_of(inner.object("context").object("compaction")),
            reference=inner.text("modelConfig") or _DEFAULT_MODEL,
            more=_allowed(spec),
        )
    root.finish()


def _common(spec: Fields, inner: Fields) -> None:
    """Say what is not mapped of an agent, wherever it stands."""
    if spec.source.kind == "SandboxAgent":
        spec.note(NoteKind.NO_EQUIVALENT, "it runs as an ordinary pod here (planned: Executor)")
    spec.known("platform")
    spec.drop("it belongs to the sandbox", "substrate")
    sandbox = spec.object("sandbox")
    domains = sandbox.object("network").texts("allowedDomains") if sandbox else []
    if domains:
        sandbox.note(
            NoteKind.NO_EQUIVALENT,
            f"its network is limited to {', '.join(domains)}: guard the pods with a NetworkPolicy",
        )
    skills = spec.object("skills")
    if skills:
        count = sum(
            len(skills.objects(each)) if each != "refs" else len(skills.texts(each))
            for each in skills.names()
            if each in ("refs", "gitRefs", "s3Refs")
        )
        for each in skills.names():
            skills.raw(each)
        skills.note(
            NoteKind.NO_EQUIVALENT,
            f"{count} skills are not loaded: their files and"
            " scripts are not there, nor the shell that came with them",
        )
    card = (
        "a card has no such field"
        if spec.source.version == "v1alpha1"
        else "it belongs to facade.a2a.agentCard"
    )
    for each in _CARD:
        spec.lack(card, each)
    a2a = inner.object("a2aConfig")
    named = [skill.text("name") or skill.text("id") or "?" for skill in a2a.objects("skills")]
    if a2a:
        a2a.raw("skills")
        inner.note(
            NoteKind.NO_EQUIVALENT,
            f"skills of the agent's card ({', '.join(named)}) go to facade.a2a.agentCard",
            "a2aConfig",
        )
        for skill in a2a.objects("skills"):
            skill.known(*skill.names())
    inner.drop("the built-in runtime runs every agent", "runtime")
    inner.drop("answers are always streamed", "stream")
    inner.drop("kagent itself ignores it", "executeCodeBlocks")
    inner.drop("there are no agents as tools", "shareTools")
    inner.lack("the agent remembers nothing from one conversation to the next", "memory")
    inner.raw("memory")


def _allowed(spec: Fields) -> JsonObject:
    """Return the namespaces besides its own whose callers an agent accepts."""
    allowed = spec.object("allowedNamespaces")
    origin = allowed.text("from") or "Same"
    if origin == "Same":
        return {}
    if origin == "All":
        allowed.note(
            NoteKind.CHANGED,
            "every ServiceAccount of every namespace may talk to it, not only agents",
        )
        namespaces: list[str] = ["*"]
    else:
        labels = allowed.object("selector").mapping("matchLabels")
        chosen = ", ".join(f"{key}={value}" for key, value in labels.items()) or "labels"
        namespaces = [allowed.ask(f"the namespaces that {chosen} selects")]
    return {"externalAuth": {"management": {"namespaces": namespaces}}}


def _own_image(
    source: Source,
    spec: Fields,
    name: str,
    description: str | None,
    inputs: Inputs,
    result: ImportResult,
) -> None:
    deployment = spec.object("byo").object("deployment")
    image = deployment.text("image") or "its image"
    placeholder = deployment.ask(
        f"an image that serves omnia.runtime.v1 on port 9000: {image} speaks A2A on port 8080",
        "image",
    )
    deployment.drop("the image's own command is run", "cmd", "args", "workingDir")
    _common(spec, spec.object("declarative"))
    body = {
        "framework": {"type": "custom", "image": placeholder},
        **_allowed(spec),
        "runtime": workload(deployment, source.namespace, inputs),
    }
    result.add(agent_runtime(source, name, body, description))


def _unused(source: Source, models: KagentModels, result: ImportResult, inputs: Inputs) -> None:
    key = source.namespace, source.name
    if key in models.used:
        return
    if _only_for_memory(source, inputs):
        source.note(NoteKind.DROPPED, "only memory uses it")
        return
    model = models.known[key]
    for parameter in model.parameters:
        source.note(
            NoteKind.DROPPED, f"{parameter}: no agent uses this model, and only a pack has it"
        )
    result.add(custom(Kind.PROVIDER, source.namespace, model.name, model.spec, model.sources))


def _only_for_memory(source: Source, inputs: Inputs) -> bool:
    for agent in inputs.of(GROUP, "Agent", "SandboxAgent", "Harness"):
        spec = agent.value.get("spec")
        declared = spec.get("declarative", spec.get("kagent")) if isinstance(spec, dict) else None
        memory = declared.get("memory") if isinstance(declared, dict) else None
        named = (
            memory.get("modelConfig", memory.get("modelConfigRef"))
            if isinstance(memory, dict)
            else None
        )
        if isinstance(named, dict):
            named = named.get("name")
        if named == source.name and agent.namespace == source.namespace:
            return True
    return False
