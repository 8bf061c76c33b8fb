"""Reads the files of CrewAI and LangGraph."""

from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import agent_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, custom, present
from omnia_cli.importing.pods import plain_variables
from omnia_cli.importing.prompts import WORD, Prompt, with_prompt, with_variables
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

_GROUP = "agents"
_VENDORS = {
    "openai": "openai",
    "anthropic": "claude",
    "gemini": "gemini",
    "google": "gemini",
    "ollama": "ollama",
}
_CODE = (
    "allow_delegation",
    "knowledge",
    "knowledge_sources",
    "memory",
    "code_execution_mode",
    "allow_code_execution",
    "max_rpm",
    "function_calling_llm",
)


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add the agents of CrewAI and the graphs of LangGraph."""
    for source in inputs.sources:
        if source.format == "crewai":
            _crew(source, result)
        elif source.format == "crewai tasks":
            source.note(NoteKind.SKIPPED, "a task is a message to the agent")
    for source in inputs.sources:
        if source.format == "langgraph":
            _graphs(source, result)


def _crew(source: Source, result: ImportResult) -> None:
    root = Fields(source, source.value)
    for key in root.names():
        agent = root.object(key)
        name = agent_name(source, key)
        parts = {part: (agent.text(part) or "").strip() for part in ("role", "goal", "backstory")}
        for part, text in parts.items():
            if not text:
                parts[part] = agent.ask(f"the {part} of {key}", part)
        text = f"You are {parts['role']}. {parts['backstory']}\nYour goal: {parts['goal']}"
        prompt = Prompt(with_variables(text, WORD, {}))
        rounds = agent.integer("max_iter")
        prompt.rounds = rounds if rounds and 0 < rounds <= 1000 else None  # noqa: PLR2004
        body = with_prompt(
            prompt,
            name=name,
            namespace="",
            description=None,
            sources=[source],
            result=result,
            group=_GROUP,
        )
        body["provider"] = _provider(agent, key)
        agent.lack("it is Python: offer it as a tool server", "tools")
        agent.lack("it has no equivalent", *_CODE)
        for each in _CODE:
            agent.raw(each)
        agent.drop(
            "it does not change an answer",
            "verbose",
            "cache",
            "max_retry_limit",
            "max_execution_time",
            "respect_context_window",
        )
        result.add(custom(Kind.AGENT_RUNTIME, "", name, body, [source], group=_GROUP))
    root.finish()


def _provider(agent: Fields, name: str) -> JsonObject:
    llm = agent.text("llm") if isinstance(agent.raw("llm"), str) else None
    vendor, _, model = (llm or "").partition("/")
    kind = _VENDORS.get(vendor)
    if kind is None:
        agent.ask(f"the model of {name}" + (f", which was {llm}" if llm else ""), "llm")
    made: JsonObject = {"type": kind or "openai"}
    made["model"] = model if kind and model else Asked("the model, spelt as the vendor spells it")
    if kind != "ollama":
        made["secretRef"] = {"name": agent.ask(f"the Secret that holds the API key of {name}")}
    return made


def _graphs(source: Source, result: ImportResult) -> None:
    root = Fields(source, source.value)
    graphs = root.object("graphs")
    env = _environment(root)
    for key in graphs.names():
        raw = graphs.raw(key)
        graph = graphs.object(key) if isinstance(raw, dict) else None
        path = graph.text("path") if graph else raw if isinstance(raw, str) else None
        name = agent_name(source, key)
        image = graphs.ask(f"an image that serves omnia.runtime.v1 with the graph {path or key}")
        body = {
            "framework": {"type": "custom", "image": image},
            "runtime": present({"extraEnv": env}),
        }
        description = graph.text("description") if graph else None
        annotations = {"kubernetes.io/description": description} if description else {}
        result.add(
            custom(
                Kind.AGENT_RUNTIME, "", name, body, [source], annotations=annotations, group=_GROUP
            )
        )
    root.drop(
        "they belong to the image",
        "dependencies",
        "python_version",
        "dockerfile_lines",
        "base_image",
        "pip_config_file",
        "image_distro",
        "node_version",
    )
    root.lack(
        "the facade and the session store have their own",
        "store",
        "checkpointer",
        "auth",
        "http",
        "ui",
        "webhooks",
    )
    root.known("$schema")
    root.finish()


def _environment(root: Fields) -> list[JsonObject]:
    if isinstance(root.raw("env"), dict):
        return plain_variables(root.mapping("env"), root)
    if file := root.text("env"):
        root.ask(f"the variables of {file}, as runtime.extraEnv", "env")
    return []
