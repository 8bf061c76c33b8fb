"""Agents of kagent as AgentRuntimes, with their tools and prompts."""

from dataclasses import dataclass, field

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.model_settings import KagentModel
from omnia_cli.importing.kagent.models import missing_model
from omnia_cli.importing.kagent.prompt import read_prompt
from omnia_cli.importing.kagent.tools import tools
from omnia_cli.importing.names import label
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, agent_runtime, custom
from omnia_cli.importing.prompts import rounds_of, with_prompt
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

_CARD = "an agent's card is facade.a2a.agentCard: write it there"


@dataclass
class KagentModels:
    """The ModelConfigs of the input by namespace and name, and the Providers of agents."""

    known: dict[tuple[str, str], KagentModel]
    used: set[tuple[str, str]] = field(default_factory=set)
    windows: dict[tuple[str, str], JsonObject] = field(default_factory=dict)

    def provider(
        self, agent: str, user: Fields, reference: str, window: JsonObject, result: ImportResult
    ) -> tuple[JsonObject, KagentModel]:
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
    models: KagentModels,
    result: ImportResult,
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
    prompt = read_prompt(spec, source, name, description, inputs)
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
    result.add(agent_runtime(source, name, body, description))


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
