"""PromptPack: is its content usable, is it the newest, who uses it."""

from dataclasses import dataclass

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import PromptPack
from omnia_operator.api.promptpack import PromptPackStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME, PROMPT_PACK
from omnia_operator.cluster.port import Cluster
from omnia_operator.manifests.manifest import digest
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import World
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import (
    Key,
    Problem,
    ResolvedPack,
    highest,
    named_packs,
    read_pack,
    source_text,
)
from omnia_operator.status import PackFacts, pack_status


async def reconcile_pack(cluster: Cluster, key: Key, now: str) -> bool:
    """Say what a PromptPack is worth; return whether to try again without being asked."""
    document = await cluster.get(PROMPT_PACK, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return False
    facts = await _facts(cluster, document)
    before = status_of(document, PromptPackStatus)
    statuses = before, pack_status(facts, before, now)
    bad = ("SourceValid",)
    await publish(cluster, PROMPT_PACK, document, statuses, good="SchemaValid", bad=bad, now=now)
    return False


async def _facts(cluster: Cluster, document: JsonObject) -> PackFacts:
    generation, pack = generation_of(document), parsed(document)
    if not isinstance(pack, PromptPack):
        invalid = Problem("SourceValid", "InvalidSpec", str(pack), retry=False)
        return PackFacts(generation, None, source=invalid)
    world = World(cluster)
    await world.fetch_packs(pack.metadata.namespace, pack.pack_name)
    text = source_text(pack, world.found)
    newest = highest(
        named_packs(pack.metadata.namespace, pack.pack_name, world.packs.values()), world.found
    )
    version = newest.version if isinstance(newest, ResolvedPack) else None
    if isinstance(text, Problem):
        return PackFacts(generation, pack, source=text, highest=version)
    content = read_pack(pack, world.found)
    return PackFacts(
        generation,
        pack,
        content=content if isinstance(content, Problem) else None,
        digest=digest(text),
        highest=version,
        agents=await _agents(cluster, pack, version),
    )


@dataclass(frozen=True)
class _Use:
    pack: str
    version: str | None


async def _agents(cluster: Cluster, pack: PromptPack, newest: str | None) -> tuple[str, ...]:
    documents = await cluster.find(AGENT_RUNTIME, pack.metadata.namespace)
    names = {pack.pack_name, pack.metadata.name}
    return tuple(
        each["metadata"]["name"]
        for each in documents
        for use in [_use(each)]
        if use.pack in names and (use.version or newest) == pack.spec.version
    )


def _use(agent: JsonObject) -> _Use:
    reference = agent["spec"].get("promptPackRef") or {}
    return _Use(reference.get("name", ""), reference.get("version"))
