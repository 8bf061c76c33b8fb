"""A ModelConfig of kagent as it is read, and its settings beside address and key."""

from dataclasses import dataclass, field

from omnia_cli.importing.fields import Fields
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject


@dataclass
class KagentModel:
    """A ModelConfig that was read.

    Attributes:
        spec: of the Provider.
        parameters: what only a prompt can have.
    """

    name: str
    namespace: str
    spec: JsonObject
    parameters: JsonObject = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)


_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def read_settings(model: KagentModel, block: Fields, vendor: str) -> None:
    """Add the defaults of a Provider, and what only prompts can have."""
    made = model.spec
    defaults: JsonObject = {}
    if vendor == "Ollama":
        _ollama(defaults, block)
    for theirs, ours, most in (("temperature", "temperature", 2), ("topP", "topP", 1)):
        number = block.number(theirs)
        if number is not None and 0 <= number <= most:
            defaults[ours] = number
        elif number is not None:
            block.note(
                NoteKind.ASKED, f"expected a number from 0 to {most}: it is left out", theirs
            )
    for theirs in ("maxTokens", "maxCompletionTokens", "maxOutputTokens"):
        if (tokens := block.integer(theirs)) is not None and tokens > 0:
            defaults["maxTokens"] = tokens
    if (seconds := block.integer("timeout")) is not None and seconds > 0:
        defaults["requestTimeout"] = f"{seconds}s"
        block.note(
            NoteKind.CHANGED,
            f"{seconds} s was for the whole request; requestTimeout is the time to the first byte",
            "timeout",
        )
    _parameters(model, block)
    block.drop("no provider takes a seed", "seed")
    block.drop("no provider takes it", "n", "stopSequences", "candidateCount", "responseMimeType")
    _openai(made, block, vendor)
    if defaults:
        made["defaults"] = defaults


def _parameters(model: KagentModel, block: Fields) -> None:
    """Read what only a prompt can have."""
    for theirs, ours in (
        ("topK", "top_k"),
        ("frequencyPenalty", "frequency_penalty"),
        ("presencePenalty", "presence_penalty"),
    ):
        if (number := block.number(theirs)) is not None:
            model.parameters[ours] = int(number) if ours == "top_k" else number
            block.note(
                NoteKind.MOVED, "to the parameters of the packs of the agents that use it", theirs
            )


def _openai(made: JsonObject, block: Fields, vendor: str) -> None:
    if vendor != "OpenAI":
        return
    settings: JsonObject = {}
    if form := block.text("apiFormat"):
        settings["api"] = "responses" if form == "responses" else "completions"
    effort = block.text("reasoningEffort")
    if effort in _EFFORTS:
        settings["reasoningEffort"] = effort
    elif effort:
        block.note(NoteKind.ASKED, f"expected one of {', '.join(_EFFORTS)}", "reasoningEffort")
    if settings:
        made["openai"] = settings


def _ollama(defaults: JsonObject, block: Fields) -> None:
    options = block.object("options")
    names = {"temperature": "temperature", "top_p": "topP"}
    for theirs, ours in names.items():
        if (number := options.number(theirs)) is not None:
            defaults[ours] = number
    if (tokens := options.integer("num_predict")) is not None and tokens > 0:
        defaults["maxTokens"] = tokens
    if (window := options.integer("num_ctx")) is not None and window > 0:
        defaults["contextWindow"] = window
        options.note(
            NoteKind.CHANGED,
            "it sized the model; this is what the runtime sends at most:"
            " set OLLAMA_CONTEXT_LENGTH at the server",
            "num_ctx",
        )
    options.drop("no provider takes it", *options.unread())


def capabilities(spec: Fields) -> list[str]:
    """Return the capabilities that a ModelConfig declares; none if it declares nothing."""
    info = spec.object("modelInfo")
    names = {"vision": "vision", "functionCalling": "tools", "jsonOutput": "json"}
    found = [ours for theirs, ours in names.items() if info.flag(theirs)]
    info.drop(
        "capabilities are not compared", "family", "structuredOutput", "multipleSystemMessages"
    )
    return ["text", "streaming", *found] if info else []
