"""The prompts of an agent: a version of a PromptPack, or the prompt in the agent itself."""

from collections.abc import Iterable, Iterator

import msgspec

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import DEFAULT_PROMPT, Prompt, TemplateEngine, parse_pack
from omnia_core.files.pack import Pack as PackFile
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
)
from omnia_operator.resolve.versions import same

_INLINE_VERSION = "0.0.0"


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
    """Line up the versions whose content can be used, or say what is wrong with the highest."""
    ordered = newest_first(packs)
    outcomes = [read_pack(pack, found) for pack in ordered]
    if readable := list(_readable(ordered, outcomes)):
        return line_up(readable, found.at)
    return next(each for each in outcomes if isinstance(each, Problem))


def named_packs(namespace: str, name: str, packs: Iterable[PromptPack]) -> list[PromptPack]:
    """Return the versions of a pack, or the one object that has the name."""
    there = [pack for pack in packs if pack.metadata.namespace == namespace]
    versions = [pack for pack in there if pack.pack_name == name]
    return versions or [pack for pack in there if pack.metadata.name == name]


def _named(namespace: str, reference: PromptPackRef, found: Found) -> list[PromptPack] | Problem:
    packs = [pack for pack in found.packs.values() if pack.metadata.namespace == namespace]
    named = named_packs(namespace, reference.name, packs)
    if not named:
        there = {(namespace, pack.pack_name) for pack in packs}
        message = missing(
            "PromptPack", (namespace, reference.name), there, "spec.promptPackRef.name"
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
    chosen = next((pack for pack in ordered if same(pack.spec.version, version)), None)
    if chosen is None:
        there_are = ", ".join(pack.spec.version for pack in ordered)
        return _problem(
            "PromptPackNotFound",
            f'PromptPack "{named[0].pack_name}" has no version {version} (there: {there_are}):'
            " create it, or correct spec.promptPackRef.version",
        )
    content = read_pack(chosen, found)
    if isinstance(content, Problem):
        return content
    return pinned(content, _readable(ordered, [read_pack(pack, found) for pack in ordered]))


def read_pack(pack: PromptPack, found: Found) -> ResolvedPack | Problem:
    """Read and check the content of a pack."""
    text = source_text(pack, found)
    if isinstance(text, Problem):
        return text
    try:
        parse_pack(text, f'the content of PromptPack "{pack.metadata.name}"').prompt(DEFAULT_PROMPT)
    except ConfigurationError as error:
        return _problem("PromptPackInvalid", error.message)
    return ResolvedPack(pack.pack_name, pack.spec.version, text)


def source_text(pack: PromptPack, found: Found) -> str | Problem:
    """Return the content of a pack, unchecked."""
    reference = pack.spec.source.config_map_ref
    subject = f'PromptPack "{pack.metadata.name}"'
    if reference is None:
        return _problem("PromptPackInvalid", f"{subject} names no ConfigMap: add configMapRef")
    key = pack.metadata.namespace, reference.name
    content = found.config_maps.get(key)
    if content is None:
        message = missing("ConfigMap", key, (), f"spec.source.configMapRef.name of {subject}")
        return _problem("PromptPackInvalid", message)
    text = content.get(reference.key)
    if text is None:
        keys = ", ".join(sorted(content)) or "none"
        return _problem(
            "PromptPackInvalid",
            f'ConfigMap "{reference.name}" has no key {reference.key}, which {subject} reads'
            f" (keys: {keys}): add it, or name another in spec.source.configMapRef.key",
        )
    return text


def _inline(name: str, prompt: InlinePrompt, tools: Iterable[Tool]) -> ResolvedPack:
    offered = [tool.name for tool in tools]
    pack = PackFile(
        id=name,
        name=name,
        version=_INLINE_VERSION,
        template_engine=TemplateEngine("v1", "{{variable}}"),
        prompts={
            DEFAULT_PROMPT: Prompt(
                DEFAULT_PROMPT, name, _INLINE_VERSION, prompt.system, tools=offered
            )
        },
    )
    text = msgspec.json.format(msgspec.json.encode(pack)).decode()
    return ResolvedPack(name, _INLINE_VERSION, text)


def _problem(reason: str, message: str) -> Problem:
    return Problem("PromptPackReady", reason, message, retry=True)
