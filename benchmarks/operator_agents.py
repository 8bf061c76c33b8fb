"""Hundreds of agents on a real cluster, as `make bench-operator` measures them.

The agents share one PromptPack, one Provider of type mock and one ToolRegistry; their pods run on
nodes that run nothing (tests/cluster/harness/fake_nodes.py). They are all there before anybody
acts on them, so that nothing but the acting is measured:

1. A bare loop of the operator's own client applies the objects of every agent, as many at a time
   as the operator does. It decides nothing, watches nothing and writes no status.
2. The operator, as a process of this machine, brings as many agents of another namespace to their
   desired state. An agent is there when its status tells so for its newest generation, which is
   after all of its objects are applied.
3. The operator is left alone.
4. The answer of the one Provider changes, which is a file of every agent.
5. The operator is started anew: it lists and checks everything, and changes nothing.

Writes are counted by the API server, for the kinds and verbs that nobody but the operator uses.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import sys
import time
from pathlib import Path

from benchmarks.operator_cluster import BenchCluster
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import PromptPack, Provider, ToolRegistry, parse
from omnia_operator.cluster.client import ClusterClient
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.manifests import render
from omnia_operator.plan import Settings, plan
from omnia_operator.resolve import Found
from omnia_operator.scheduling.queue import CONCURRENCY
from tests.cluster import fleet
from tests.cluster.local_operator import LocalOperator
from tests.operator import world

ROOT = Path(__file__).parents[1]
AGENTS = 500
IDLE_SECONDS = 45.0
LIMIT = 300.0
NEW_ANSWER = "another answer"
GOALS = {
    "ratio_to_bare_loop": (">=", 0.5),
    "memory_mb": ("<=", 150.0),
    "memory_mb_after_a_restart": ("<=", 150.0),
    "idle_cpu_percent": ("<=", 2.0),
    "writes_per_agent_of_a_provider_change": ("<=", 3.0),
}

Figures = dict[str, float]


def manifests(namespace: str, agents: list[JsonObject]) -> list[list[Manifest]]:
    """Return the objects of each agent, as the operator renders them."""
    there = [parse(each) for each in fleet.shared(namespace) if "spec" in each]
    found = Found(
        packs={each.key: each for each in there if isinstance(each, PromptPack)},
        registries={each.key: each for each in there if isinstance(each, ToolRegistry)},
        providers={each.key: each for each in there if isinstance(each, Provider)},
        config_maps={(namespace, fleet.CONTENT): {"pack.json": world.PACK_TEXT}},
    )
    settings = Settings(
        facade_image="localhost/facade:none", runtime_image="localhost/runtime:none"
    )
    return [render(plan(world.resolved(each, found), settings)) for each in agents]


async def apply_all(client: ClusterClient, agents: list[list[Manifest]]) -> None:
    """Apply every object, those of one agent one after another."""
    waiting = iter(agents)

    async def work() -> None:
        for each in waiting:
            for manifest in each:
                await client.apply(manifest, known=False)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(work())


def bare_loop(cluster: BenchCluster, count: int) -> Figures:
    """Apply the objects without an operator."""
    with cluster.namespace("bench-loop") as namespace:
        documents = cluster.make_agents(namespace, count)
        wanted = manifests(namespace, documents)
        began, cpu = time.monotonic(), time.process_time()
        cluster.with_client(lambda client: apply_all(client, wanted))
        seconds = time.monotonic() - began
        return {
            "objects_per_agent": len(wanted[0]),
            "bare_loop_agents_per_second": count / seconds,
            "bare_loop_cpu_ms_per_agent": (time.process_time() - cpu) / count * 1000,
        }


def with_operator(cluster: BenchCluster, count: int) -> Figures:
    """Let the operator do it."""
    figures: Figures = {}
    with cluster.namespace("bench-operator") as namespace:
        cluster.make_agents(namespace, count)
        agents = cluster.follow_agents(namespace)
        writes = cluster.writes()
        began = time.monotonic()
        with LocalOperator(cluster.kubeconfig, namespace) as operator:
            ready, cpu = time.monotonic(), operator.cpu_seconds
            figures["exec_to_ready_seconds"] = ready - began
            seconds = agents.wait("settled", count, LIMIT) - ready
            figures["agents_per_second"] = count / seconds
            running = agents.wait("running", count, LIMIT)
            figures["seconds_until_all_pods_are_ready"] = running - ready
            cluster.wait_quiet(operator)
            done = operator.metric("controller_runtime_reconcile_total", controller="agentruntime")
            figures["reconciles_per_agent"] = done / count
            figures["cpu_ms_per_agent"] = (operator.cpu_seconds - cpu) / count * 1000
            figures["writes_per_agent"] = cluster.writes().since(writes).total / count
            figures |= idle(operator)
            figures |= provider_change(cluster, operator, namespace, count)
            figures["memory_mb"] = operator.largest_resident_bytes / 1e6
        with LocalOperator(cluster.kubeconfig, namespace) as operator:
            cluster.wait_quiet(operator)
            figures["memory_mb_after_a_restart"] = operator.largest_resident_bytes / 1e6
    return figures


def idle(operator: LocalOperator) -> Figures:
    """Look at an operator that has nothing to do."""
    began, cpu = time.monotonic(), operator.cpu_seconds
    time.sleep(IDLE_SECONDS)
    used = operator.cpu_seconds - cpu
    return {"idle_cpu_percent": used / (time.monotonic() - began) * 100}


def provider_change(
    cluster: BenchCluster, operator: LocalOperator, namespace: str, count: int
) -> Figures:
    """Change the answer of the one Provider."""
    writes, cpu = cluster.writes(), operator.cpu_seconds
    files = cluster.follow_files(namespace, NEW_ANSWER)
    began = time.monotonic()
    cluster.apply(namespace, fleet.provider(namespace, NEW_ANSWER))
    seconds = files.wait("new", count, LIMIT) - began
    cluster.wait_quiet(operator)
    made = cluster.writes().since(writes)
    print(f"a Provider change writes: {made}", file=sys.stderr)
    return {
        "seconds_of_a_provider_change": seconds,
        "writes_per_agent_of_a_provider_change": made.total / count,
        "cpu_ms_per_agent_of_a_provider_change": (operator.cpu_seconds - cpu) / count * 1000,
    }


def report(figures: Figures) -> None:
    """Print the table, and write it to benchmarks/out/operator.json."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = os.getloadavg()[0]
    print(f"{python}, {os.cpu_count()} cores, load {load:.1f}, the cluster on the same machine")
    for name, value in figures.items():
        goal, verdict = GOALS.get(name), ""
        if goal is not None:
            met = value >= goal[1] if goal[0] == ">=" else value <= goal[1]
            verdict = f"   goal {goal[0]} {goal[1]:g}{'' if met else '   MISSED'}"
        print(f"{name:42}{value:10.2f}{verdict}")
    out = ROOT / "benchmarks/out"
    out.mkdir(exist_ok=True)
    rounded = {name: round(value, 3) for name, value in figures.items()}
    (out / "operator.json").write_text(json.dumps(rounded, indent=2))


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operator_agents")
    parser.add_argument("agents", type=int, nargs="?", default=AGENTS)
    count = parser.parse_args().agents
    # Whoever ends it early gets the cluster back as it was.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with BenchCluster.entered(nodes=count // 400 + 1) as cluster:
        loop = [bare_loop(cluster, count)]
        figures = with_operator(cluster, count)
        loop.append(bare_loop(cluster, count))
    around = {name: statistics.mean(each[name] for each in loop) for name in loop[0]}
    ratio = figures["agents_per_second"] / around["bare_loop_agents_per_second"]
    report({"agents": count, **around, "ratio_to_bare_loop": ratio, **figures})


if __name__ == "__main__":
    main()
