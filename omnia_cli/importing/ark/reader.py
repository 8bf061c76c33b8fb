"""Reads the resources of ARK."""

import re

from omnia_cli.importing.ark.tools import read_tools
from omnia_cli.importing.ark.values import GROUP, root_of, value_of
from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.handlers import http_url
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import agent_name, object_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import ImportResult, agent_runtime, custom, own_metadata
from omnia_cli.importing.prompts import Prompt, rounds_of, with_prompt, with_variables
from omnia_cli.importing.secrets import is_secret_name
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind

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


def read(inputs: Inputs, result: ImportResult) -> None:
    """Add what becomes of the resources of ARK."""
    for source in inputs.of(GROUP, "Model"):
        _model(source, inputs, result)
    for source in inputs.of(GROUP, "Agent"):
        _agent(source, inputs, result)
    for source in inputs.of(GROUP, *_SKIPPED):
        lost = source.kind in ("Team", "A2AServer", "ExecutionEngine")
        source.note(NoteKind.NO_EQUIVALENT if lost else NoteKind.SKIPPED, _SKIPPED[source.kind])


def _model(source: Source, inputs: Inputs, result: ImportResult) -> None:
    root = root_of(source)
    spec = root.object("spec")
    kind = spec.text("type") or "openai"
    model, _ = value_of(spec, "model", inputs)
    config = spec.object("config").object(kind)
    made: JsonObject = {"type": "openai", "model": model or spec.ask("the model", "model")}
    key, secret = value_of(config, "apiKey", inputs)
    if key and secret is None:
        config.ask("a Secret with the API key: its value is not copied", "apiKey")
    made["secretRef"] = secret or {"name": Asked("the Secret that holds the API key")}
    if not key and secret is None:
        spec.ask("the Secret that holds the API key", "config")
    address, _ = value_of(config, "baseUrl", inputs)
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
        text, hidden = value_of(header, "value", inputs)
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
        text, _ = value_of(properties, theirs, inputs)
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


def _agent(source: Source, inputs: Inputs, result: ImportResult) -> None:
    root = root_of(source)
    spec = root.object("spec")
    name = agent_name(source, source.name)
    description = spec.text("description")
    handlers, read_from = read_tools(spec, inputs)
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
    result.add(agent_runtime(source, name, body, description))
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
