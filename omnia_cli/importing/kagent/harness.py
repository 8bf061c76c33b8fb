"""kagent 1.0: an Agent pairs an AgentTemplate with a Harness. All shapes of its way are read."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.agents import KagentModels, declarative, window_of
from omnia_cli.importing.names import agent_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, present
from omnia_cli.importing.pods import variables
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

_GROUP = "kagent.dev"
_OTHERS = ("codex", "claude", "byo")


@dataclass
class _Pair:
    """An agent, its template and its harness; each may stand in the agent itself."""

    agent: Source
    template: Fields
    harness: Fields
    roots: list[Fields]


def read_templates(inputs: Inputs, models: KagentModels, result: ImportResult) -> None:
    """Add an AgentRuntime for each Agent, or for each template that a Harness admits."""
    used: set[tuple[str, str]] = set()
    called = _called(inputs)
    agents = [s for s in inputs.of(_GROUP, "Agent") if s.version == "v1alpha3"]
    for source in agents:
        pair = _pair(source, inputs, used)
        if pair is not None:
            _write(pair, inputs, models, result)
    for source in inputs.of(_GROUP, "AgentTemplate"):
        if (source.namespace, source.name) in used:
            continue
        is_called = (source.namespace, source.name) in called
        if (agents or source.group.startswith("api.")) and not (
            is_called and inputs.options.sub_agents
        ):
            offer = ": --sub-agents makes an agent of it" if is_called else ""
            text = f"no Agent names it, so no AgentRuntime is made of it{offer}"
            source.note(NoteKind.SKIPPED, text)
            continue
        harnesses = list(_admitting(source, inputs))
        root, harness = _root(source), harnesses[0] if harnesses else Fields(source, {})
        pair = _Pair(source, root.object("spec"), harness, [root])
        _write(pair, inputs, models, result)


def _called(inputs: Inputs) -> set[tuple[str, str]]:
    """Return namespace and name of the templates that others name as sub-agents."""
    found = set()
    for source in inputs.of(_GROUP, "AgentTemplate", "Agent"):
        for tool in _tools(source.value):
            block = tool.get("subAgent") or tool.get("agent")
            reference = block.get("templateRef") if isinstance(block, dict) else None
            name = reference.get("name") if isinstance(reference, dict) else None
            if isinstance(name, str):
                found.add((source.namespace, name))
    return found


def _tools(value: object) -> Iterator[JsonObject]:
    """Yield the entries of each list `tools` in an object, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "tools" and isinstance(inner, list):
                yield from (entry for entry in inner if isinstance(entry, dict))
            else:
                yield from _tools(inner)


def _root(source: Source) -> Fields:
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    return root


def _pair(source: Source, inputs: Inputs, used: set[tuple[str, str]]) -> _Pair | None:
    root = _root(source)
    spec = root.object("spec")
    roots = [root]
    found = []
    for kind, name in (("AgentTemplate", "template"), ("Harness", "harness")):
        block, reference = spec.object(name), spec.object(f"{name}Ref")
        named = block.object("ref").text("name") or reference.text("name")
        other = inputs.find(_GROUP, kind, source.namespace, named) if named else None
        if other is not None:
            used.add((other.namespace, other.name))
            roots.append(_root(other))
            found.append(roots[-1].object("spec"))
        elif named:
            spec.ask(f"{kind} {source.namespace}/{named} is not among the input")
            found.append(Fields(source, {}))
        else:
            found.append(block.object("inline") if "inline" in block else block)
    if not found[0]:
        spec.note(NoteKind.SKIPPED, "it has no template")
        return None
    return _Pair(source, found[0], found[1], roots)


def _admitting(template: Source, inputs: Inputs) -> Iterator[Fields]:
    metadata = template.value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    own = labels if isinstance(labels, dict) else {}
    for source in inputs.of(_GROUP, "Harness"):
        if source.namespace != template.namespace:
            continue
        spec = _root(source).object("spec")
        wanted = spec.object("allowedAgentTemplates").object("selector").mapping("matchLabels")
        if wanted.items() <= own.items():
            yield spec


def _write(pair: _Pair, inputs: Inputs, models: KagentModels, result: ImportResult) -> None:
    agent, template, harness = pair.agent, pair.template, pair.harness
    name = agent_name(agent, agent.name)
    kagent = harness.object("kagent")
    for other in _OTHERS:
        if other in harness:
            harness.lack(
                f"this harness runs {other}, not a model with tools: the agent is made from"
                " its template",
                other,
            )
            harness.raw(other)
    kagent.lack("the agent remembers nothing from one conversation to the next", "memory")
    harness.drop("agents run as ordinary pods", "workload")
    substrate = harness.object("substrate")
    for each in (substrate, harness):
        if egress := (each.texts("egress") if isinstance(each.raw("egress"), list) else []):
            each.note(
                NoteKind.NO_EQUIVALENT,
                f"egress to {', '.join(egress)} only: guard the pods with a NetworkPolicy",
                "egress",
            )
    substrate.drop(
        "agents run as ordinary pods", "workerPoolRef", "snapshotPolicy", "snapshotsConfig"
    )
    harness.known("allowedAgentTemplates", "description")
    template.lack(
        "a conversation has no output schema: a function has one, mode: function",
        "outputSchema",
        "outputSchemaFrom",
    )
    template.lack("skills and plugins are not loaded", "skills", "plugins")
    description = template.text("description")
    reference = template.object("modelConfig").text("name") or "default-model-config"
    declarative(
        agent,
        name,
        template,
        inputs,
        models,
        result,
        description=description,
        deployment=_environment(harness),
        window=window_of(kagent.object("compaction")),
        reference=reference,
    )
    written = result.get("AgentRuntime", agent.namespace, name)
    for root in pair.roots:
        root.finish()
        if written is not None and root.source not in written.sources:
            written.sources.append(root.source)


def _environment(harness: Fields) -> JsonObject:
    for entry in harness.objects("env"):
        if "credentialRef" in entry:
            reference = entry.object("credentialRef")
            entry.note(
                NoteKind.NO_EQUIVALENT,
                f"{entry.text('name')}: only the gateway of Agent Substrate fills it in, for"
                f" {reference.text('url') or 'its server'}",
            )
            reference.known(*reference.names())
    given = [e for e in variables(harness, "env") if e.get("value") or "valueFrom" in e]
    return present({"extraEnv": given})
