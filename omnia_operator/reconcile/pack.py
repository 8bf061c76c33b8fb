"""Reconciles a PromptPack: whether its content is valid, whether it is the newest, its users."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import PromptPack
from omnia_operator.api.promptpack import PromptPackStatus
from omnia_operator.check_threads import CheckThreads
from omnia_operator.cluster.kinds import AGENT_RUNTIME, PROMPT_PACK
from omnia_operator.cluster.manifest import digest
from omnia_operator.cluster.port import Cluster
from omnia_operator.reconcile.documents import generation_of, parsed, status_of
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.reconcile.publish import publish
from omnia_operator.references import groups_of, references_of
from omnia_operator.resolve import Key, Lineup, Problem, source_text
from omnia_operator.resolve.lineup import same_version
from omnia_operator.scheduling import Requeue
from omnia_operator.status import PackFacts, news, pack_facts, pack_status


async def reconcile_pack(cluster: Cluster, key: Key, checks: CheckThreads, now: str) -> Requeue:
    """Write the status of a PromptPack; requeue it for the next step of a canary."""
    document = await cluster.get(PROMPT_PACK, key)
    if document is None or document["metadata"].get("deletionTimestamp"):
        return Requeue.NO
    facts = await _facts(cluster, document, checks, now)
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
    # A changed status queues no agent: each agent of the pack is requeued for the step itself.
    wait = facts.lineup.wait if facts.lineup else None
    return Requeue.after(wait) if wait else Requeue.NO


async def _facts(
    cluster: Cluster, document: JsonObject, checks: CheckThreads, now: str
) -> PackFacts:
    generation, pack = generation_of(document), parsed(document)
    if not isinstance(pack, PromptPack):
        invalid = Problem("SourceValid", "InvalidSpec", str(pack), retry=False)
        return PackFacts(generation, None, source=invalid)
    found = await fetch(cluster, PROMPT_PACK, document, now)
    current = found.packs.get(pack.key, pack)
    facts = await checks.run(pack.key[0], partial(pack_facts, generation, current, found))
    text = source_text(pack, found)
    if isinstance(text, Problem):
        return facts
    agents = await cluster.find(AGENT_RUNTIME, pack.metadata.namespace)
    users = tuple(_users(agents, document, facts.lineup))
    return replace(facts, digest=digest(text), agents=users)


def _users(agents: list[JsonObject], pack: JsonObject, lineup: Lineup | None) -> Iterator[str]:
    """Yield the names of the agents whose new sessions may get this version."""
    groups, version = groups_of(PROMPT_PACK, pack), pack["spec"]["version"]
    placed = (lineup.stable, lineup.candidate) if lineup else ()
    offered = [resolved.version for resolved in placed if resolved]
    for agent in agents:
        if groups & references_of(AGENT_RUNTIME, agent):
            pinned = agent["spec"]["promptPackRef"].get("version")
            if any(same_version(version, other) for other in ([pinned] if pinned else offered)):
                yield agent["metadata"]["name"]
