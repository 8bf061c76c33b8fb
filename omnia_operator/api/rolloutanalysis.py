"""RolloutAnalysis: measurements that decide whether a rollout goes on."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.names import Kind
from omnia_core.suggestions import listed
from omnia_core.units import Duration
from omnia_operator.analysis.arguments import BUILT_IN, NAME, arguments_of, has_other_braces
from omnia_operator.analysis.conditions import parse_condition
from omnia_operator.analysis.expression import MAX_LENGTH, ConditionInvalid
from omnia_operator.api.meta import AGE, PrinterColumn, Resource, Status
from omnia_operator.api.model import DurationField, HttpUrl, Label, Model, list_map
from omnia_operator.api.rules import Path, rule

_LOOKS = 10

Limit = Annotated[int, Field(ge=0, le=1000)]
ConditionText = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
ArgumentName = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME)]


class AnalysisParameter(Model):
    """An argument of the analysis, used as `{{args.name}}`."""

    name: ArgumentName
    """Name of the argument. Every analysis also has `agent`, `namespace`, `stable-version`,
    `candidate-version` and `step`."""
    value: Annotated[str, Field(max_length=1024)] | None = None
    """Its value, if the step of the rollout gives none. Without either the step waits."""


class PrometheusQuery(Model):
    """A query of Prometheus."""

    address: HttpUrl
    """Address of the server, such as `http://prometheus.monitoring.svc:9090`."""
    query: Annotated[str, Field(min_length=1, max_length=8192)]
    """Instant query in PromQL. An argument in quotes is escaped; outside of quotes it must be a
    word or a number. `result` of the conditions is a number, or the list of the vector's numbers;
    a list of one compares as its number."""
    timeout: DurationField = Duration.parse("30s")
    """Time limit of a request."""


class WebMethod(StrEnum):
    """Method of a request."""

    GET = "GET"
    POST = "POST"


class RequestHeader(Model):
    """A header of a request."""

    key: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9-]+$")]
    """Name of the header."""
    value: Annotated[str, Field(max_length=4096)]
    """Value of the header."""


class WebQuery(Model):
    """A request whose answer is JSON."""

    url: HttpUrl
    """Address. Arguments are percent-encoded."""
    method: WebMethod = WebMethod.GET
    """Method of the request; `POST` has no body."""
    headers: tuple[RequestHeader, ...] = Field(
        default=(), max_length=32, json_schema_extra=list_map("key")
    )
    """Headers of the request."""
    json_path: (
        Annotated[
            str,
            Field(
                max_length=256,
                pattern=r"^\{?\$?(\.[A-Za-z0-9_-]+|\[[0-9]+\])*\}?$",
            ),
        ]
        | None
    ) = None
    """Part of the answer that is `result`, such as `{$.data.rate}` or `$.items[0].value`; without
    it, the whole answer."""
    timeout: DurationField = Duration.parse("30s")
    """Time limit of a request."""


class AgentMeasure(StrEnum):
    """What is measured of both sides of a rollout."""

    ERROR_RATE = "errorRate"
    EVAL_PASS_RATE = "evalPassRate"  # noqa: S105 - a rate of passed evaluations
    EVAL_SCORE = "evalScore"
    STEPPED_IN = "steppedIn"
    LATENCY_P95 = "latencyP95"
    TIME_TO_FIRST_CHUNK_P95 = "timeToFirstChunkP95"
    COST_PER_TURN = "costPerTurn"

    @property
    def more_is_worse(self) -> bool:
        """Whether a larger value is a worse one."""
        return self not in (AgentMeasure.EVAL_PASS_RATE, AgentMeasure.EVAL_SCORE)

    @property
    def is_amount(self) -> bool:
        """Whether it is seconds or US dollars, and not a share from 0 to 1."""
        return self in (
            AgentMeasure.LATENCY_P95,
            AgentMeasure.TIME_TO_FIRST_CHUNK_P95,
            AgentMeasure.COST_PER_TURN,
        )


Share = Annotated[float, Field(ge=0, le=1)]


class AgentQuery(Model):
    """A measure of the agent itself: the operator reads the metrics of its pods.

    What is decided is decided by intervals: a few turns say little, and then it is measured again.
    """

    measure: AgentMeasure
    """`errorRate`: share of the turns that failed. `evalPassRate`: share of the results of an
    evaluation that passed. `evalScore`: mean of its scores. `steppedIn`: share of the candidate's
    turns that stable answered in its place. `latencyP95`: seconds within which 95 % of the turns
    and calls end. `timeToFirstChunkP95`: seconds within which 95 % of the answers begin.
    `costPerTurn`: mean cost of a turn or call in US dollars."""
    eval: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Id of the evaluation."""
    worse_by: Share | None = None
    """By how much the candidate may be worse than stable. Times and costs by this part of stable's:
    0.2 allows a fifth more."""
    max: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    """Largest value of the candidate, not for `evalPassRate` and `evalScore`: a share, seconds or
    US dollars."""
    min: Share | None = None
    """Least value of the candidate, for `evalPassRate` and `evalScore`."""
    min_samples: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Turns or results of the candidate without which nothing is decided."""

    an_evaluation_has_a_name: ClassVar = rule(
        "evalPassRate and evalScore are of one evaluation: set eval to its id, and only with them",
        cel="has(self.eval) == (self.measure in ['evalPassRate', 'evalScore'])",
        at="eval",
    )
    it_has_a_limit: ClassVar = rule(
        "without a limit nothing is decided: set worseBy (not for steppedIn), or max (not for"
        " evalPassRate and evalScore), or min (only for these two)",
        cel="(has(self.worseBy) || has(self.max) || has(self.min)) &&"
        " !(has(self.worseBy) && self.measure == 'steppedIn') &&"
        " !(has(self.max) && self.measure in ['evalPassRate', 'evalScore']) &&"
        " !(has(self.min) && !(self.measure in ['evalPassRate', 'evalScore']))",
    )
    a_share_is_at_most_one: ClassVar = rule(
        "errorRate and steppedIn are shares: set max to a number from 0 to 1, such as 0.05",
        cel="!has(self.max) || !(self.measure in ['errorRate', 'steppedIn']) || self.max <= 1.0",
        at="max",
    )


class MetricProvider(Model):
    """Where the value of a metric comes from."""

    prometheus: PrometheusQuery | None = None
    """A query of Prometheus."""
    web: WebQuery | None = None
    """A request whose answer is JSON."""
    agent: AgentQuery | None = None
    """The agent itself, without Prometheus."""

    one_provider: ClassVar = rule(
        "a metric is measured in one way: set exactly one of prometheus, web and agent",
        cel="(has(self.prometheus) ? 1 : 0) + (has(self.web) ? 1 : 0) + (has(self.agent) ? 1 : 0)"
        " == 1",
    )


class AnalysisMetric(Model):
    """A metric that is measured several times."""

    name: Label
    """Name of the metric."""
    interval: DurationField = Duration.parse("1m")
    """Time between two measurements."""
    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of measurements; without it, one more than `failureLimit`, and 10 with the provider
    `agent`. A measurement without data, or with an error, does not count."""
    initial_delay: DurationField = Duration.parse("0s")
    """Time before the first measurement."""
    success_condition: ConditionText | None = None
    """Condition under which a measurement is successful, such as `result < 0.05`."""
    failure_condition: ConditionText | None = None
    """Condition under which it failed. With both conditions, a measurement that meets neither is
    inconclusive."""
    failure_limit: Limit = 0
    """Failed measurements that are accepted."""
    inconclusive_limit: Limit = 0
    """Inconclusive measurements that are accepted."""
    consecutive_error_limit: Limit = 4
    """Errors one after another that are accepted. After an error it is measured again in 10 s."""
    no_data_timeout: DurationField = Duration.parse("1h")
    """How long a measurement without data is repeated until the metric is inconclusive. An empty
    or undefined result is no data, unless a condition uses `len`, `isNaN` or `default`."""
    dry_run: bool = False
    """Whether the metric is measured and shown, and decides nothing."""
    provider: MetricProvider
    """Where its value comes from."""

    it_can_fail: ClassVar = rule(
        "with so few measurements the metric can never fail: set count to more than failureLimit",
        cel="!has(self.count) || self.count > self.failureLimit",
        at="count",
    )
    it_has_a_condition: ClassVar = rule(
        "without a condition every measurement is successful: add successCondition,"
        " failureCondition or both; the provider agent has limits instead, and no condition",
        cel="has(self.provider.agent) != (has(self.successCondition) ||"
        " has(self.failureCondition))",
    )
    it_is_not_measured_all_the_time: ClassVar = rule(
        "the interval must be 1s or more: set it to the time between two measurements, such as 1m",
        cel="duration(self.interval) >= duration('1s')",
        at="interval",
    )

    @property
    def measurements(self) -> int:
        """How many measurements count."""
        if self.count is not None:
            return self.count
        return self.failure_limit + 1 if self.provider.agent is None else _LOOKS


class RolloutAnalysisSpec(Model):
    """Desired state of a RolloutAnalysis."""

    args: tuple[AnalysisParameter, ...] = Field(
        default=(), max_length=64, json_schema_extra=list_map("name")
    )
    """Arguments; a step of a rollout gives values."""
    metrics: Annotated[
        tuple[AnalysisMetric, ...],
        Field(min_length=1, max_length=32, json_schema_extra=list_map("name")),
    ]
    """The metrics. All must succeed; the first one that does not ends the analysis."""


class RolloutAnalysisStatus(Status):
    """Observed state of a RolloutAnalysis. Conditions: `Ready`."""


class RolloutAnalysis(Resource):
    """RolloutAnalysis measures a candidate: a step of a rollout waits for its result."""

    kind_name: ClassVar = Kind.ROLLOUT_ANALYSIS
    plural: ClassVar = "rolloutanalyses"
    short_names: ClassVar = ("ra",)
    columns: ClassVar = (
        PrinterColumn(name="Metrics", type="string", json_path=".spec.metrics[*].name"),
        AGE,
    )

    spec: RolloutAnalysisSpec
    """Desired state."""
    status: RolloutAnalysisStatus | None = None
    """Observed state, written by the operator."""


def faults(spec: RolloutAnalysisSpec) -> Iterator[tuple[Path, str]]:
    """Yield what no schema finds: path below the spec, and message."""
    known = {*BUILT_IN, *(argument.name for argument in spec.args)}
    for index, metric in enumerate(spec.metrics):
        place: Path = ("metrics", index)
        for path, text in _texts(metric):
            if has_other_braces(text):
                yield (*place, *path), "expected {{args.NAME}} between double braces"
            yield from _unknown((*place, *path), set(arguments_of(text)) - known, known)
        conditions = (
            ("successCondition", metric.success_condition),
            ("failureCondition", metric.failure_condition),
        )
        for name, condition in conditions:
            if condition is not None:
                yield from _condition((*place, name), condition, known)


def _condition(path: Path, text: str, known: set[str]) -> Iterator[tuple[Path, str]]:
    try:
        found = parse_condition(text)
    except ConditionInvalid as error:
        yield path, str(error)
    else:
        yield from _unknown(path, found.arguments - known, known)


def _unknown(
    path: Path, missing: set[str] | frozenset[str], known: set[str]
) -> Iterator[tuple[Path, str]]:
    if missing:
        yield (
            path,
            f"args has no {listed(sorted(missing))}, only {listed(sorted(known))}: add it to args",
        )


def _texts(metric: AnalysisMetric) -> Iterator[tuple[Path, str]]:
    """Yield the texts that may have arguments."""
    if prometheus := metric.provider.prometheus:
        yield ("provider", "prometheus", "address"), prometheus.address
        yield ("provider", "prometheus", "query"), prometheus.query
    if web := metric.provider.web:
        yield ("provider", "web", "url"), web.url
        for index, header in enumerate(web.headers):
            yield ("provider", "web", "headers", index, "value"), header.value
