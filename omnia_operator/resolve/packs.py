"""Finds the prompts of an agent: the versions of its PromptPack, or its own prompt."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import (
    DEFAULT_PROMPT,
    Pack,
    Prompt,
    TemplateEngine,
    ToolPolicy,
    decode_pack,
    parse_pack,
)
from omnia_core.files.pack.prompt import for_model
from omnia_core.files.pack.vocabulary import PlaceholderUndeclared, template_of
from omnia_core.names import INLINE_VERSION
from omnia_core.suggestions import listed
from omnia_operator.api.agentruntime import AgentRuntime, InlinePrompt, PromptPackRef
from omnia_operator.api.promptpack import PromptPack
from omnia_operator.api.toolhandler import Tool
from omnia_operator.resolve.found import Found, Problem, missing
from omnia_operator.resolve.lineup import (
    Lineup,
    Readable,
    ResolvedPack,
    line_up,
    newest_first,
    pinned,
    same_version,
)
from omnia_operator.resolve.providers import DEFAULT_PROVIDER
from omnia_operator.resolve.verdicts import by_digest


def resolve_pack(
    agent: AgentRuntime, found: Found, tools: Iterable[Tool]
) -> Lineup | Problem | None:
    """Find the versions of the agent's pack; `tools` are what an inline prompt may call."""
    if agent.spec.prompt is not None:
        return Lineup(_inline(agent.metadata.name, agent.spec.prompt, tools))
    if agent.spec.prompt_pack_ref is None:
        return None
    named = _named(agent.metadata.namespace, agent.spec.prompt_pack_ref, found)
    if isinstance(named, Problem):
        return named
    version = agent.spec.prompt_pack_ref.version
    return usable(named, found) if version is None else _pinned(named, version, found)


def usable(packs: Iterable[PromptPack], found: Found) -> Lineup | Problem:
    """Return the usable versions, or what is wrong with the highest one."""
    ordered = newest_first(packs)
    outcomes = [read_pack(pack, found) for pack in ordered]
    if readable := list(_readable(ordered, outcomes)):
        return line_up(readable, found.at)
    return next(outcome for outcome in outcomes if isinstance(outcome, Problem))


def named_packs(namespace: str, name: str, packs: Iterable[PromptPack]) -> list[PromptPack]:
    """Return the versions of a pack, or the one object with the name."""
    candidates = [pack for pack in packs if pack.metadata.namespace == namespace]
    versions = [pack for pack in candidates if pack.pack_name == name]
    return versions or [pack for pack in candidates if pack.metadata.name == name]


def read_pack(pack: PromptPack, found: Found) -> ResolvedPack | Problem:
    """Read and check the content of a pack."""
    text = source_text(pack, found)
    if isinstance(text, Problem):
        return text
    wrong = _wrong_pack(text, f'the content of PromptPack "{pack.metadata.name}"')
    if wrong:
        return _problem("PromptPackInvalid", wrong)
    return ResolvedPack(pack.pack_name, pack.spec.version, text)


@by_digest
def _wrong_pack(text: str, subject: str) -> str:
    """Return what is wrong with the content of a pack; "" if nothing is."""
    try:
        parse_pack(text, subject).prompt(DEFAULT_PROMPT)
    except ConfigurationError as error:
        return error.message
    return ""


def source_text(pack: PromptPack, found: Found) -> str | Problem:
    """Return the content of a pack, unchecked."""
    reference = pack.spec.source.config_map_ref
    subject = f'PromptPack "{pack.metadata.name}"'
    if reference is None:
        return _problem(
            "PromptPackInvalid", f"{subject} has no ConfigMap: add spec.source.configMapRef"
        )
    key = pack.metadata.namespace, reference.name
    content = found.config_maps.get(key)
    if content is None:
        message = missing("ConfigMap", key, (), f"spec.source.configMapRef.name of {subject}")
        return _problem("PromptPackInvalid", message)
    text = content.get(reference.key)
    if text is None:
        keys = listed(sorted(content)) or "none"
        return _problem(
            "PromptPackInvalid",
            f'ConfigMap "{reference.name}" has no key {reference.key}, which {subject} reads'
            f" (keys: {keys}): add it, or name another in spec.source.configMapRef.key",
        )
    return text


def fitting(agent: AgentRuntime, lineup: Lineup | Problem | None) -> Lineup | Problem | None:
    """Return the versions, or why the agent cannot use the stable one.

    The runtime skips other versions that it cannot use, and logs them.
    """
    if not isinstance(lineup, Lineup):
        return lineup
    try:
        _check(agent, lineup.stable)
    except PlaceholderUndeclared as error:
        problem = _problem("PromptPackInvalid", error.message)
        own = agent.spec.prompt is not None
        return (
            problem if own else replace(problem, place=("prompts", error.prompt, "system_template"))
        )
    except ConfigurationError as error:
        return _problem("PromptPackInvalid", error.message)
    return lineup


def _named(namespace: str, reference: PromptPackRef, found: Found) -> list[PromptPack] | Problem:
    packs = [pack for pack in found.packs.values() if pack.metadata.namespace == namespace]
    named = named_packs(namespace, reference.name, packs)
    if not named:
        existing = {(namespace, pack.pack_name) for pack in packs}
        message = missing(
            "PromptPack", (namespace, reference.name), existing, "spec.promptPackRef.name"
        )
        return _problem("PromptPackNotFound", message)
    return named


def _readable(
    packs: Iterable[PromptPack], outcomes: Iterable[ResolvedPack | Problem]
) -> Iterator[Readable]:
    seen: set[str] = set()
    for pack, outcome in zip(packs, outcomes, strict=True):
        if isinstance(outcome, ResolvedPack) and outcome.version not in seen:
            seen.add(outcome.version)
            yield pack, outcome


def _pinned(named: list[PromptPack], version: str, found: Found) -> Lineup | Problem:
    ordered = newest_first(named)
    chosen = next((pack for pack in ordered if same_version(pack.spec.version, version)), None)
    if chosen is None:
        versions = listed([pack.spec.version for pack in ordered])
        return _problem(
            "PromptPackNotFound",
            f'PromptPack "{named[0].pack_name}" has no version {version} (existing: {versions}):'
            " create it, or correct spec.promptPackRef.version",
        )
    content = read_pack(chosen, found)
    if isinstance(content, Problem):
        return content
    return pinned(content, _readable(ordered, [read_pack(pack, found) for pack in ordered]))


def _inline(name: str, prompt: InlinePrompt, tools: Iterable[Tool]) -> ResolvedPack:
    offered = [tool.name for tool in tools]
    pack = Pack(
        id=name,
        name=name,
        version=INLINE_VERSION,
        template_engine=TemplateEngine("v1", "{{variable}}"),
        prompts={
            DEFAULT_PROMPT: Prompt(
                DEFAULT_PROMPT,
                name,
                INLINE_VERSION,
                prompt.system,
                tools=offered,
                tool_policy=_policy(prompt),
            )
        },
    )
    text = msgspec.json.format(msgspec.json.encode(pack)).decode()
    return ResolvedPack(name, INLINE_VERSION, text)


def _policy(prompt: InlinePrompt) -> ToolPolicy | None:
    if prompt.tool_policy is None:
        return None
    return ToolPolicy(**prompt.tool_policy.model_dump(exclude_none=True))


def _problem(reason: str, message: str) -> Problem:
    return Problem("PromptPackReady", reason, message, retry=True)


def _check(agent: AgentRuntime, stable: ResolvedPack) -> None:
    inline = agent.spec.prompt is not None
    what = "spec.prompt" if inline else f'PromptPack "{stable.name}" {stable.version}'
    # The content of a PromptPack was checked when it was read.
    pack = parse_pack(stable.text, what) if inline else decode_pack(stable.text, what)
    prompt = pack.prompt(DEFAULT_PROMPT)
    where = "spec.prompt.system" if inline else f"{what}: prompts.{prompt.id}.system_template"
    for model in ("", *prompt.model_overrides):
        template_of(pack, for_model(prompt, model), _function(agent), where)
    names = [provider.name for provider in agent.spec.providers or ()] or [DEFAULT_PROVIDER]
    for key in _needed(pack, prompt):
        if key not in names:
            raise ConfigurationError(
                f'{what} needs a provider "{key}" (the agent has: {listed(names)}):'
                " add it to spec.providers"
            )


def _function(agent: AgentRuntime) -> FunctionFile | None:
    spec = agent.spec
    if spec.input_schema is None or spec.output_schema is None:
        return None
    return FunctionFile(agent.metadata.name, spec.input_schema, spec.output_schema)


def _needed(pack: Pack, prompt: Prompt) -> Iterator[str]:
    if prompt.provider not in ("", DEFAULT_PROVIDER):
        yield prompt.provider
    for provider in pack.requires.providers if pack.requires else ():
        key = provider if isinstance(provider, str) else provider.key
        if key != DEFAULT_PROVIDER and (isinstance(provider, str) or provider.required):
            yield key
