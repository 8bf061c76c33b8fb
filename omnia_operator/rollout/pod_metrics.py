"""Reads what the pods of an agent have counted, from `/metrics` of their health ports."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from omnia_core import names
from omnia_core.names import Variant
from omnia_operator import labels
from omnia_operator.api.rolloutanalysis import AgentMeasure, AgentQuery
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import sentence
from omnia_operator.discovery.http import fetch_bytes
from omnia_operator.rollout.comparison import EDGES, Counts, PodReading

SECONDS = 5.0
_LARGEST = 4 * 1024 * 1024
_LINES = 2000

Labels: TypeAlias = Mapping[str, str]
_Row: TypeAlias = tuple[str, Labels, float]

_REQUESTS = "omnia_agent_requests_total"
_STEPPED_IN = "omnia_rollout_stepped_in_total"
_EVALS = "omnia_evals_total"
_SCORE = "omnia_eval_score"
_HISTOGRAMS = {
    AgentMeasure.LATENCY_P95: "omnia_agent_request_duration_seconds",
    AgentMeasure.TIME_TO_FIRST_CHUNK_P95: "omnia_agent_time_to_first_chunk_seconds",
    AgentMeasure.COST_PER_TURN: "omnia_turn_cost_usd",
}
_OF_FACADES = frozenset(
    {
        AgentMeasure.ERROR_RATE,
        AgentMeasure.STEPPED_IN,
        AgentMeasure.LATENCY_P95,
        AgentMeasure.TIME_TO_FIRST_CHUNK_P95,
    }
)
_FAMILIES = {
    AgentMeasure.ERROR_RATE: (_REQUESTS,),
    AgentMeasure.STEPPED_IN: (_REQUESTS, _STEPPED_IN),
    AgentMeasure.EVAL_PASS_RATE: (_EVALS,),
    AgentMeasure.EVAL_SCORE: (f"{_SCORE}_sum", f"{_SCORE}_count"),
    **{
        measure: (f"{name}_bucket", f"{name}_sum", f"{name}_count")
        for measure, name in _HISTOGRAMS.items()
    },
}


@dataclass(frozen=True)
class PodTarget:
    """A pod that is read.

    Attributes:
        uid: its UID.
        name: its name.
        address: its IP address.
        port: the health port of the program that counts.
        is_new: whether it started after the analysis began.
    """

    uid: str
    name: str
    address: str
    port: int
    is_new: bool


def ports_of(measure: AgentMeasure, agent: str) -> Mapping[str, int]:
    """Return the health ports that are read, by the instance of the pods."""
    canary = labels.canary_name(agent)
    if measure in _OF_FACADES:
        # Clients are at the facades of stable, and where a mesh splits the traffic at both.
        return {agent: names.FACADE_HEALTH_PORT, canary: names.FACADE_HEALTH_PORT}
    runtimes = {agent: names.RUNTIME_HEALTH_PORT, canary: names.RUNTIME_HEALTH_PORT}
    if measure is AgentMeasure.COST_PER_TURN:
        return runtimes
    return {**runtimes, labels.OwnedNames(agent).evals: names.EVALS_HEALTH_PORT}


async def read_pods(
    query: AgentQuery, targets: Iterable[PodTarget], egress: Egress
) -> tuple[Mapping[str, PodReading], str]:
    """Return the readings of the pods that answer, by UID, and why the first other one does not."""
    found = tuple(targets)
    answers = await asyncio.gather(*(_read(query, target, egress) for target in found))
    readings = {
        target.uid: PodReading(answer, target.is_new)
        for target, answer in zip(found, answers, strict=True)
        if not isinstance(answer, str)
    }
    failures = (answer for answer in answers if isinstance(answer, str))
    return readings, next(failures, "" if found else "no pod of the agent runs")


async def _read(query: AgentQuery, target: PodTarget, egress: Egress) -> Counts | str:
    host = f"[{target.address}]" if ":" in target.address else target.address
    url = f"http://{host}:{target.port}/metrics"
    try:
        content = await fetch_bytes(
            url, {}, SECONDS, largest=_LARGEST, max_redirects=0, egress=egress
        )
        return counts_of(query, content.decode(errors="replace"))
    except Exception as error:  # noqa: BLE001 - one pod must not cost the others
        return sentence(error, f"pod {target.name} at port {target.port}", SECONDS)


def counts_of(query: AgentQuery, text: str) -> Counts:
    """Return the counts in a text in Prometheus' format.

    Raises:
        ValueError: the text is not in that format, or has other buckets.
    """
    rows = list(_rows(text, _FAMILIES[query.measure]))
    block = _histogram if query.measure in EDGES else _sample
    candidate = block(query, rows, Variant.CANDIDATE)
    return (*candidate, *block(query, rows, Variant.STABLE))


def _rows(text: str, families: tuple[str, ...]) -> Iterator[_Row]:
    starts = tuple(f"{name}{{" for name in families)
    lines = [line for line in text.splitlines() if line.startswith(starts)][:_LINES]
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _histogram(query: AgentQuery, rows: list[_Row], side: Variant) -> Counts:
    """Return the sum of the values of one side, and how many there are up to each edge."""
    name, edges = _HISTOGRAMS[query.measure], EDGES[query.measure]
    of = [row for row in rows if row[1].get("variant") == side]
    upto: dict[float, float] = dict.fromkeys(edges, 0.0)
    found = set()
    for series, more, value in of:
        if series == f"{name}_bucket" and (edge := float(more["le"])) in upto:
            upto[edge] += value
            found.add(edge)
    if of and found != set(edges):
        raise ValueError(f"{name} has other buckets: the pod is of another version")
    total = _sum(row for row in of if row[0] == f"{name}_sum")
    return total, *upto.values(), _sum(row for row in of if row[0] == f"{name}_count")


def _sample(query: AgentQuery, rows: list[_Row], side: Variant) -> Counts:
    """Return number and sum of the values of one side."""
    of = [row for row in rows if row[1].get("variant") == side]
    if query.eval is not None:
        of = [row for row in of if row[1].get("eval_id") == query.eval]
    match query.measure:
        case AgentMeasure.ERROR_RATE:
            failed = _sum(row for row in of if row[1].get("status") == "error")
            return _sum(of), failed
        case AgentMeasure.STEPPED_IN:
            stepped = _sum(row for row in rows if row[0] == _STEPPED_IN)
            return (_sum(of) + stepped, stepped) if side is Variant.CANDIDATE else (0.0, 0.0)
        case AgentMeasure.EVAL_PASS_RATE:
            passed = _sum(row for row in of if row[1].get("outcome") == "passed")
            return passed + _sum(row for row in of if row[1].get("outcome") == "failed"), passed
        case AgentMeasure.EVAL_SCORE:
            count = _sum(row for row in of if row[0] == f"{_SCORE}_count")
            return count, _sum(row for row in of if row[0] == f"{_SCORE}_sum")
        case _:
            raise AssertionError(f"{query.measure} is counted in a histogram")


def _sum(rows: Iterable[_Row]) -> float:
    return sum(value for _, _, value in rows)
