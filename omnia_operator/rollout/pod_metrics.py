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
from omnia_operator.rollout.comparison import Counts, PodReading

SECONDS = 5.0
_LARGEST = 4 * 1024 * 1024
_LINES = 2000

Labels: TypeAlias = Mapping[str, str]
_Row: TypeAlias = tuple[str, Labels, float]

_REQUESTS = "omnia_agent_requests_total"
_STEPPED_IN = "omnia_rollout_stepped_in_total"
_EVALS = "omnia_evals_total"
_SCORE = "omnia_eval_score"
_FAMILIES = {
    AgentMeasure.ERROR_RATE: (_REQUESTS,),
    AgentMeasure.STEPPED_IN: (_REQUESTS, _STEPPED_IN),
    AgentMeasure.EVAL_PASS_RATE: (_EVALS,),
    AgentMeasure.EVAL_SCORE: (f"{_SCORE}_sum", f"{_SCORE}_count"),
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
    if measure in (AgentMeasure.ERROR_RATE, AgentMeasure.STEPPED_IN):
        # Clients are at the facades of stable, and where a mesh splits the traffic at both.
        return {agent: names.FACADE_HEALTH_PORT, canary: names.FACADE_HEALTH_PORT}
    runtime = names.RUNTIME_HEALTH_PORT
    return {
        agent: runtime,
        canary: runtime,
        labels.OwnedNames(agent).evals: names.EVALS_HEALTH_PORT,
    }


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
        ValueError: the text is not in that format.
    """
    rows = list(_rows(text, _FAMILIES[query.measure]))
    candidate = _sample(query, rows, Variant.CANDIDATE)
    return (*candidate, *_sample(query, rows, Variant.STABLE))


def _rows(text: str, families: tuple[str, ...]) -> Iterator[_Row]:
    starts = tuple(f"{name}{{" for name in families)
    lines = [line for line in text.splitlines() if line.startswith(starts)][:_LINES]
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _sample(query: AgentQuery, rows: list[_Row], side: Variant) -> tuple[float, float]:
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


def _sum(rows: Iterable[_Row]) -> float:
    return sum(value for _, _, value in rows)
