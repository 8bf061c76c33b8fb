"""Measures the metrics of analyses, without holding up the agents: a slow answer comes later.

Prometheus: prometheus.io/docs/prometheus/latest/querying/api, instant queries. What is asked, and
whom, is decided by the author of a RolloutAnalysis: addresses, redirects and the size of answers
are bounded as everywhere in the operator.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias
from urllib.parse import urlencode

import structlog

from omnia_core.addresses import is_local
from omnia_core.connection_failures import shown_address
from omnia_core.errors import abridged
from omnia_core.jsonvalue import parse_json
from omnia_core.units import Duration
from omnia_operator.analysis.arguments import in_address, in_header, in_query
from omnia_operator.api.rolloutanalysis import (
    AgentQuery,
    AnalysisMetric,
    PrometheusQuery,
    WebQuery,
)
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import sentence
from omnia_operator.discovery.http import fetch_bytes
from omnia_operator.resolve import Key
from omnia_operator.rollout.analysis import MetricReading
from omnia_operator.rollout.pod_metrics import PodTarget, read_pods

PATIENCE_SECONDS = 1.0
"""How long an agent waits for an answer; later ones are taken in a later step."""

_LARGEST = 1024 * 1024
_SERIES = 1000
_AT_ONCE = 32
_SHOWN = 1024
# Prometheus says in the answer what is wrong with a query.
_OF_PROMETHEUS = frozenset({200, 400, 422, 503})
_WINDOW = re.compile(r"\[\s*((?:[0-9]+(?:ms|s|m|h))+)\s*[\]:]")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]+)\]")

_log = structlog.get_logger()


@dataclass(frozen=True)
class MetricRequest:
    """One measurement that is due.

    Attributes:
        id: what tells it from earlier ones of the same metric.
        shown: what is asked, for the status.
    """

    metric: str
    id: str
    source: PrometheusQuery | WebQuery
    url: str
    headers: Mapping[str, str]
    shown: str
    note: str = ""


@dataclass(frozen=True)
class PodsRequest:
    """One measurement of the agent's pods that is due."""

    metric: str
    id: str
    source: AgentQuery
    targets: tuple[PodTarget, ...]

    @property
    def shown(self) -> str:
        """What is asked, for the status."""
        return " ".join(filter(None, (self.source.measure.value, self.source.eval)))


def request_of(
    metric: AnalysisMetric, arguments: Mapping[str, str], identity: str, age: float
) -> MetricRequest:
    """Return the request for a metric.

    Args:
        metric: the metric.
        arguments: the values of all arguments.
        identity: what tells this measurement from others of the metric.
        age: seconds since the analysis began.

    Raises:
        ArgumentInvalid: a value cannot stand where the metric has its argument.
    """
    if (prometheus := metric.provider.prometheus) is not None:
        query = in_query(prometheus.query, arguments)
        address = in_address(prometheus.address, arguments).rstrip("/")
        url = f"{address}/api/v1/query?{urlencode({'query': query})}"
        headers = {"accept": "application/json"}
        shown = abridged(query, _SHOWN)
        return MetricRequest(
            metric.name, identity, prometheus, url, headers, shown, _early(query, age)
        )
    web = metric.provider.web
    if web is None:
        raise AssertionError("a rule of the resource: a metric has a provider")
    url = in_address(web.url, arguments)
    headers = {each.key.lower(): in_header(each.value, arguments) for each in web.headers}
    shown = shown_address(url)
    return MetricRequest(
        metric.name, identity, web, url, {"accept": "application/json"} | headers, shown
    )


def _early(query: str, age: float) -> str:
    """Return a note about a query that sees the time before the analysis."""
    windows = [Duration.parse(found).seconds for found in _WINDOW.findall(query)]
    if not windows or max(windows) <= age:
        return ""
    longest = Duration(round(max(windows) * 1000))
    return f"the query looks back {longest}, to before the analysis began: give initialDelay"


async def _read_pods(request: PodsRequest, egress: Egress) -> MetricReading:
    readings, failure = await read_pods(request.source, request.targets, egress)
    return MetricReading(pods=readings) if readings else MetricReading(failure=failure)


async def read(request: MetricRequest, egress: Egress) -> MetricReading:
    """Make a measurement. Every failure is a reading without a value."""
    source, limit = request.source, request.source.timeout.seconds
    is_prometheus = isinstance(source, PrometheusQuery)
    try:
        content = await fetch_bytes(
            request.url,
            request.headers,
            limit,
            largest=_LARGEST,
            max_redirects=0,
            egress=egress,
            method="GET" if isinstance(source, PrometheusQuery) else source.method.value,
            answers=_OF_PROMETHEUS if is_prometheus else frozenset({200}),
        )
    except Exception as error:  # noqa: BLE001 - every failure becomes a part of the status
        return MetricReading(failure=sentence(error, shown_address(request.url), limit))
    try:
        answer = parse_json(content)
    except ValueError as error:
        return MetricReading(failure=f"{shown_address(request.url)}: its answer is {error}")
    if isinstance(source, WebQuery):
        return _part(answer, source.json_path or "")
    found = _of_prometheus(answer)
    return MetricReading(found.value, found.failure, request.note)


def _part(answer: Any, path: str) -> MetricReading:
    """Return the part of an answer at a path such as `{$.data[0].rate}`."""
    value = answer
    for name, index in _STEP.findall(path):
        if name and isinstance(value, dict) and name in value:
            value = value[name]
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return MetricReading(failure=f"the answer has nothing at {path}: correct jsonPath")
    return MetricReading(value)


def _of_prometheus(answer: Any) -> MetricReading:
    if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
        return MetricReading(failure="the answer is not one of Prometheus: check the address")
    if answer["status"] != "success":
        error = answer.get("error")
        why = abridged(error) if isinstance(error, str) else "it says no reason"
        return MetricReading(failure=f"Prometheus refuses the query: {why}")
    data = answer.get("data")
    kind: Any = data.get("resultType") if isinstance(data, dict) else ""
    result: Any = data.get("result") if isinstance(data, dict) else None
    try:
        if kind == "vector":
            return MetricReading([float(each["value"][1]) for each in islice(result, _SERIES)])
        if kind in ("scalar", "string"):
            return MetricReading(float(result[1]) if kind == "scalar" else str(result[1]))
    except (TypeError, KeyError, IndexError, ValueError):
        return MetricReading(failure="the answer has no values as Prometheus writes them")
    return MetricReading(
        failure=f"the query gives a {abridged(str(kind))}, expected a scalar or an instant vector:"
        " put a function such as rate() around it"
    )


_Tasks: TypeAlias = dict[str, tuple[str, "asyncio.Task[MetricReading]"]]


@dataclass
class Measuring:
    """The measurements that are being made, by agent and metric.

    Attributes:
        egress: how requests leave the operator.
        patience: seconds that an agent waits for an answer.
        pods: how requests reach pods, whose addresses are private ones.
    """

    egress: Egress
    patience: float = PATIENCE_SECONDS
    pods: Egress = field(default_factory=lambda: Egress(is_local))
    _running: dict[Key, _Tasks] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def readings(
        self, agent: Key, requests: Iterable[MetricRequest | PodsRequest]
    ) -> Mapping[str, MetricReading]:
        """Return the readings that are there, by metric; begin what was not begun.

        Measurements of the agent that are not asked for any more are given up.
        """
        wanted = {request.metric: request for request in requests}
        tasks = self._running.pop(agent, {})
        for name, (identity, task) in list(tasks.items()):
            if name not in wanted or wanted[name].id != identity:
                task.cancel()
                del tasks[name]
        for name, request in wanted.items():
            if name not in tasks:
                tasks[name] = request.id, asyncio.create_task(self._measure(request))
        if not tasks:
            return {}
        await asyncio.wait({task for _, task in tasks.values()}, timeout=self.patience)
        done = {name: task.result() for name, (_, task) in tasks.items() if task.done()}
        rest = {name: each for name, each in tasks.items() if name not in done}
        if rest:
            self._running[agent] = rest
        return done

    def forget(self, agent: Key) -> None:
        """Give up the measurements of an agent."""
        for _, task in self._running.pop(agent, {}).values():
            task.cancel()

    async def _measure(self, request: MetricRequest | PodsRequest) -> MetricReading:
        async with self._free:
            try:
                if isinstance(request, PodsRequest):
                    return await _read_pods(request, self.pods)
                return await read(request, self.egress)
            except Exception:  # noqa: BLE001 - a fault here must not stop the agent
                _log.exception("a metric cannot be measured", metric=request.metric)
                return MetricReading(failure="it cannot be measured: the operator's log says why")
