"""PromptPack: is its content usable, is it the newest, who uses it."""

from dataclasses import dataclass, replace

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import PromptPack
from omnia_operator.api.promptpack import PromptPackStatus
from omnia_operator.cluster.kinds import AGENT_RUNTIME, PROMPT_PACK
from omnia_operator.cluster.manifest import digest
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import World
from omnia_operator.reconcile.publish import publish
from omnia_operator.resolve import Key, Lineup, Problem, source_text
from omnia_operator.resolve.versions import same
from omnia_operator.status import PackFacts, news, pack_facts, pack_status


async def reconcile_pack(cluster: Cluster, key: Key, now: str) -> bool | float:
    """Say what a PromptPack is worth; return the seconds until a canary takes the next step."""
    document = await cluster.get(PROMPT_PACK, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return False
    facts = await _facts(cluster, document, now)
    before = status_of(document, PromptPackStatus)
    after = pack_status(facts, before, now)
    await publish(
        cluster,
        PROMPT_PACK,
        document,
        (before, after),
        good="SchemaValid",
        bad=("SourceValid",),
        now=now,
        news=news(facts.pack, before, after) if facts.pack else (),
    )
    # A status wakes nobody: everyone whom a step is about looks when it is due.
    return (facts.lineup.wait if facts.lineup else None) or False


async def _facts(cluster: Cluster, document: JsonObject, now: str) -> PackFacts:
    generation, pack = generation_of(document), parsed(document)
    if not isinstance(pack, PromptPack):
        invalid = Problem("SourceValid", "InvalidSpec", str(pack), retry=False)
        return PackFacts(generation, None, source=invalid)
    world = World(cluster, now)
    await world.fetch_packs(pack.metadata.namespace, pack.pack_name)
    facts = pack_facts(generation, world.packs.get(pack.key, pack), world.found)
    text = source_text(pack, world.found)
    if isinstance(text, Problem):
        return facts
    return replace(facts, digest=digest(text), agents=await _agents(cluster, pack, facts.lineup))


async def _agents(cluster: Cluster, pack: PromptPack, lineup: Lineup | None) -> tuple[str, ...]:
    documents = await cluster.find(AGENT_RUNTIME, pack.metadata.namespace)
    names = {pack.pack_name, pack.metadata.name}
    placed = (lineup.stable, lineup.candidate) if lineup else ()
    offered = [each.version for each in placed if each]
    return tuple(
        each["metadata"]["name"]
        for each in documents
        for use in [_use(each)]
        if use.pack in names
        and any(
            same(pack.spec.version, each) for each in ([use.version] if use.version else offered)
        )
    )


@dataclass(frozen=True)
class _Use:
    pack: str
    version: str | None


def _use(agent: JsonObject) -> _Use:
    reference = agent["spec"].get("promptPackRef") or {}
    return _Use(reference.get("name", ""), reference.get("version"))
