"""The root type of a compiled PromptPack."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field, structs

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack.governance import Compilation, PackMetadata, Requires
from omnia_core.files.pack.prompt import Eval, PackTool, Prompt
from omnia_core.files.pack.terms import PackId, PackObject, Version, since
from omnia_core.files.pack.workflow import Agents, Composition, Skill, Workflow
from omnia_core.suggestions import listed

PackName = Annotated[
    str, Meta(min_length=1, max_length=200, description="a text of 1 to 200 characters")
]
Description = Annotated[str, Meta(max_length=5000, description="a text of 5000 characters at most")]
DEFAULT_PROMPT = "default"
"""The prompt of a pack with several prompts and no declared entry, unless the host names one."""

Feature = Literal["basic_substitution", "fragments", "conditionals", "loops", "filters"]


class TemplateEngine(PackObject, frozen=True, omit_defaults=True):
    """The declared template syntax."""

    version: str
    syntax: str
    features: list[Feature] = field(default_factory=list)


class Pack(PackObject, frozen=True, omit_defaults=True):
    """A compiled PromptPack."""

    id: PackId
    name: PackName
    version: Version
    template_engine: TemplateEngine
    prompts: Annotated[dict[str, Prompt], Meta(min_length=1)]
    description: Description = ""
    fragments: dict[str, str] = field(default_factory=dict)
    tools: dict[str, PackTool] = field(default_factory=dict)
    evals: Annotated[list[Eval], since("1.2")] = field(default_factory=list)
    workflow: Annotated[Workflow | None, since("1.3")] = None
    agents: Annotated[Agents | None, since("1.3")] = None
    skills: Annotated[list[str | Skill], since("1.3.1")] = field(default_factory=list)
    compositions: Annotated[dict[str, Composition], since("1.5")] = field(default_factory=dict)
    requires: Annotated[Requires | None, since("1.5.1")] = None
    metadata: PackMetadata | None = None
    compilation: Compilation | None = None
    schema_: str = field(default="", name="$schema")

    @property
    def entry(self) -> str:
        """The key of the prompt with which the pack declares that conversations begin, or ""."""
        if self.workflow is not None:
            state = self.workflow.states.get(self.workflow.entry)
            return state.prompt_task if state else ""
        return self.agents.entry if self.agents is not None else ""

    def beginning_with(self, prompt: str) -> "Pack":
        """Return the pack whose conversations begin with a prompt, by its key.

        Raises:
            ConfigurationError: as `prompt`.
        """
        if prompt not in self.prompts:
            raise ConfigurationError(self._no_prompt(prompt))
        workflow = self.workflow
        if workflow is not None and workflow.entry in workflow.states:
            state = structs.replace(workflow.states[workflow.entry], prompt_task=prompt)
            states = {**workflow.states, workflow.entry: state}
            return structs.replace(self, workflow=structs.replace(workflow, states=states))
        agents = self.agents or Agents(prompt, {})
        return structs.replace(self, agents=structs.replace(agents, entry=prompt))

    def prompt(self, name: str) -> Prompt:
        """Choose the prompt of a conversation: the declared entry, the only one, or `name`.

        Raises:
            ConfigurationError: there is no such prompt; the message names those that exist.
        """
        if not self.entry and len(self.prompts) == 1:
            return next(iter(self.prompts.values()))
        chosen = self.entry or name
        if chosen not in self.prompts:
            raise ConfigurationError(self._no_prompt(chosen))
        return self.prompts[chosen]

    def _no_prompt(self, name: str) -> str:
        return f'pack "{self.id}" has no prompt "{name}"; it has: {listed(self.prompts)}'

    def not_applied(self) -> list[str]:
        """Return what the pack declares and this version of the runtime ignores."""
        found = [key for key in ("skills", "compositions", "agents") if getattr(self, key)]
        if self.workflow is not None:
            found.append("workflow (but for the prompt of its entry)")
        for name, prompt in self.prompts.items():
            found += [f"prompts.{name}.{key}" for key in _not_applied(prompt)]
        return [f"{name}: accepted, not acted on by this version" for name in found]


def _not_applied(prompt: Prompt) -> list[str]:
    found: list[str] = ["pipeline"] if prompt.pipeline else []
    found += [
        f"variables.{variable.name}.binding"
        for variable in prompt.variables
        if variable.binding is not None
    ]
    for kind in ("image", "audio", "video", "document"):
        limits: Any = getattr(prompt.media, kind, None)
        found += [
            f"media.{kind}.{key}"
            for key in ("require_caption", "require_metadata", "max_duration_sec", "max_pages")
            if getattr(limits, key, None)
        ]
    return found
