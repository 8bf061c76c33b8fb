"""The compiled PromptPack (promptpack.org, schema 1.5): the parts that the programs act on.

Keys without a field here are accepted and left alone.
"""

from typing import Any, Literal

from msgspec import Struct, field

from omnia_core.errors import ConfigurationError
from omnia_core.files.reading import decode_json
from omnia_core.jsonvalue import JsonObject


class Variable(Struct, frozen=True):
    """A variable of a template. `default` is of any JSON type, `validation` as in the format."""

    name: str
    type: str = "string"
    required: bool = False
    default: Any = None
    description: str = ""
    validation: JsonObject = field(default_factory=dict)


class ToolPolicy(Struct, frozen=True):
    """Limits of the tool loop; counts per turn. The fields after `blocklist` are additions to the
    format.

    Attributes:
        max_identical_tool_calls: the same tool with the same arguments.
        max_cost_usd: of a turn's model calls; None is "no limit", as for the tokens.
        stop_on_tool: names of tools after whose call the turn ends.
    """

    tool_choice: Literal["auto", "required", "none"] = "auto"
    max_rounds: int = 5
    max_tool_calls_per_turn: int = 10
    blocklist: list[str] = field(default_factory=list)
    max_parallel_tool_calls: int = 10
    max_identical_tool_calls: int = 3
    max_calls_per_minute: int | None = None
    max_cost_usd: float | None = None
    max_total_tokens: int | None = None
    stop_on_tool: list[str] = field(default_factory=list)


class Parameters(Struct, frozen=True):
    """Parameters of the model; None is "not set", which differs from 0."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class Prompt(Struct, frozen=True):
    """One prompt of a pack."""

    id: str
    name: str
    version: str
    system_template: str
    description: str = ""
    variables: list[Variable] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    tool_policy: ToolPolicy | None = None
    parameters: Parameters | None = None
    validators: list[JsonObject] = field(default_factory=list)
    evals: list[JsonObject] = field(default_factory=list)
    model_overrides: dict[str, JsonObject] = field(default_factory=dict)
    media: JsonObject | None = None


class PackTool(Struct, frozen=True):
    """A tool as the model sees it. Who executes it is the ToolRegistry's affair."""

    name: str
    description: str
    parameters: JsonObject = field(default_factory=lambda: {"type": "object", "properties": {}})


class TemplateEngine(Struct, frozen=True):
    """The declared template syntax."""

    version: str
    syntax: str


class Entry(Struct, frozen=True):
    """The part of `workflow` and `agents` that names where a conversation begins."""

    entry: str


class Pack(Struct, frozen=True):
    """A compiled PromptPack."""

    id: str
    name: str
    version: str
    template_engine: TemplateEngine
    prompts: dict[str, Prompt]
    description: str = ""
    fragments: dict[str, str] = field(default_factory=dict)
    tools: dict[str, PackTool] = field(default_factory=dict)
    evals: list[JsonObject] = field(default_factory=list)
    workflow: Entry | None = None
    agents: Entry | None = None
    skills: list[Any] = field(default_factory=list)
    compositions: JsonObject = field(default_factory=dict)

    def prompt(self, name: str) -> Prompt:
        """Choose the prompt of a conversation: the declared entry, the only one, or `name`.

        Raises:
            ConfigurationError: names the prompts that there are.
        """
        declared = self.workflow or self.agents
        if declared is None and len(self.prompts) == 1:
            return next(iter(self.prompts.values()))
        chosen = declared.entry if declared else name
        if chosen not in self.prompts:
            there = ", ".join(self.prompts)
            raise ConfigurationError(f'pack "{self.id}" has no prompt "{chosen}"; it has: {there}')
        return self.prompts[chosen]

    def not_applied(self) -> list[str]:
        """List what the pack declares and this version of the runtime does not act on."""
        found = [
            f"{key}: accepted, not acted on by this version"
            for key in ("evals", "skills", "compositions", "agents", "workflow")
            if getattr(self, key)
        ]
        for name, prompt in self.prompts.items():
            found += [
                f"prompts.{name}.{key}: accepted, not acted on by this version"
                for key in ("validators", "evals", "model_overrides", "media")
                if getattr(prompt, key)
            ]
        return found


def parse_pack(text: str, what: str = "the PromptPack") -> Pack:
    """Parse a compiled PromptPack from JSON text.

    Raises:
        ConfigurationError: names the line and column, or the path of the wrong value.
    """
    pack = decode_json(text, Pack, what)
    if not pack.prompts:
        raise ConfigurationError(f"{what}: prompts is empty; a pack needs at least one prompt")
    return pack
