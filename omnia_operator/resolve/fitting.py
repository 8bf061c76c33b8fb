"""Whether an agent can use a pack that is valid in itself: its placeholders, its providers."""

from collections.abc import Iterator

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import DEFAULT_PROMPT, Pack, Prompt, parse_pack
from omnia_core.files.pack.prompt import for_model
from omnia_core.files.pack.vocabulary import template_of
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.resolve.found import Problem
from omnia_operator.resolve.lineup import Lineup, ResolvedPack

_DEFAULT_PROVIDER = "default"


def fitting(agent: AgentRuntime, lineup: Lineup | Problem | None) -> Lineup | Problem | None:
    """Return the versions as they came, or why the agent cannot use the stable one.

    Others that it cannot use are left out by the runtime, which says so.
    """
    if not isinstance(lineup, Lineup):
        return lineup
    try:
        _check(agent, lineup.stable)
    except ConfigurationError as error:
        return Problem("PromptPackReady", "PromptPackInvalid", error.message, retry=True)
    return lineup


def _check(agent: AgentRuntime, stable: ResolvedPack) -> None:
    inline = agent.spec.prompt is not None
    what = "spec.prompt" if inline else f'PromptPack "{stable.name}" {stable.version}'
    pack = parse_pack(stable.text, what)
    prompt = pack.prompt(DEFAULT_PROMPT)
    where = "spec.prompt.system" if inline else f"{what}: prompts.{prompt.id}.system_template"
    for model in ("", *prompt.model_overrides):
        template_of(pack, for_model(prompt, model), _function(agent), where)
    there = [each.name for each in agent.spec.providers or ()] or [_DEFAULT_PROVIDER]
    for key in _needed(pack, prompt):
        if key not in there:
            raise ConfigurationError(
                f'{what} needs a provider "{key}" (the agent has: {", ".join(there)}):'
                " add it to spec.providers"
            )


def _function(agent: AgentRuntime) -> FunctionFile | None:
    spec = agent.spec
    if spec.input_schema is None or spec.output_schema is None:
        return None
    return FunctionFile(agent.metadata.name, spec.input_schema, spec.output_schema)


def _needed(pack: Pack, prompt: Prompt) -> Iterator[str]:
    if prompt.provider not in ("", _DEFAULT_PROVIDER):
        yield prompt.provider
    for each in pack.requires.providers if pack.requires else ():
        key = each if isinstance(each, str) else each.key
        if key != _DEFAULT_PROVIDER and (isinstance(each, str) or each.required):
            yield key
