"""The prompts of an agent: a version of a PromptPack, or the prompt in the agent itself."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack as PackFile
from omnia_core.files.pack import PackTool, Prompt, TemplateEngine, parse_pack
from omnia_operator.api.agentruntime import AgentRuntime, InlinePrompt, PromptPackRef
from omnia_operator.api.promptpack import PromptPack
from omnia_operator.api.toolhandler import Tool
from omnia_operator.resolve.found import Found, Problem, missing
from omnia_operator.resolve.versions import precedence, same

DEFAULT_PROMPT = "default"
"""The prompt of a pack that has several and names no entry."""

_INLINE_VERSION = "0.0.0"


@dataclass(frozen=True)
class ResolvedPack:
    """A compiled pack."""

    name: str
    version: str
    text: str
    """The pack as JSON."""


def resolve_pack(
    agent: AgentRuntime, found: Found, tools: Iterable[Tool]
) -> ResolvedPack | Problem | None:
    """Find the agent's pack; `tools` are what an inline prompt may call."""
    if agent.spec.prompt is not None:
        return _inline(agent.metadata.name, agent.spec.prompt, tools)
    if agent.spec.prompt_pack_ref is None:
        return None
    named = _named(agent.metadata.namespace, agent.spec.prompt_pack_ref, found)
    if isinstance(named, Problem):
        return named
    version = agent.spec.prompt_pack_ref.version
    return highest(named, found) if version is None else _pinned(named, version, found)


def highest(packs: Iterable[PromptPack], found: Found) -> ResolvedPack | Problem:
    """Return the highest version whose content can be used, or what is wrong with the highest."""
    newest_first = sorted(packs, key=lambda pack: precedence(pack.spec.version), reverse=True)
    outcomes = [read_pack(pack, found) for pack in newest_first]
    usable = (each for each in outcomes if isinstance(each, ResolvedPack))
    return next(usable, outcomes[0])


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


def _pinned(named: list[PromptPack], version: str, found: Found) -> ResolvedPack | Problem:
    chosen = next((pack for pack in named if same(pack.spec.version, version)), None)
    if chosen is None:
        there_are = ", ".join(
            sorted((pack.spec.version for pack in named), key=precedence, reverse=True)
        )
        return _problem(
            "PromptPackNotFound",
            f'PromptPack "{named[0].pack_name}" has no version {version} (there: {there_are}):'
            " create it, or correct spec.promptPackRef.version",
        )
    return read_pack(chosen, found)


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
    offered = {
        tool.name: PackTool(tool.name, tool.description, tool.input_schema) for tool in tools
    }
    pack = PackFile(
        id=name,
        name=name,
        version=_INLINE_VERSION,
        template_engine=TemplateEngine("v1", "{{variable}}"),
        prompts={
            DEFAULT_PROMPT: Prompt(
                DEFAULT_PROMPT, name, _INLINE_VERSION, prompt.system, tools=list(offered)
            )
        },
        tools=offered,
    )
    # Fields without a value stay out: the format has no null for them.
    built = {key: value for key, value in msgspec.to_builtins(pack).items() if value}
    built["prompts"] = {
        key: {field: value for field, value in each.items() if value}
        for key, each in built["prompts"].items()
    }
    text = msgspec.json.format(msgspec.json.encode(built)).decode()
    return ResolvedPack(name, _INLINE_VERSION, text)


def _problem(reason: str, message: str) -> Problem:
    return Problem("PromptPackReady", reason, message, retry=True)
