"""The Prometheus metrics of a runtime."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omnia_core.conversation.usage import Usage
from omnia_core.names import Variant
from omnia_core.sessions.retention import RetentionEffects
from omnia_core.telemetry.buckets import TURN_COST_USD

_TURN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TOOL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STORE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)

M = TypeVar("M", Counter, Histogram)


class RuntimeMetrics:
    """The metrics that the runtime writes.

    Every series has the labels agent and namespace, and what the sides of a rollout are compared by
    has the label variant.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        agent: str,
        namespace: str,
        variant: str = Variant.STABLE,
    ) -> None:
        self._const = {"agent": agent, "namespace": namespace}
        self._variant = str(variant)
        self._registry = registry
        self._series: dict[tuple[object, tuple[str, ...]], Any] = {}
        self._gauge("omnia_runtime_info", "Always 1.").labels(**self._const).set(1)
        model = ("provider", "model")
        self._requests = self._counter(
            "omnia_provider_requests_total", "Model calls.", *model, "status"
        )
        self._seconds = self._histogram(
            "omnia_provider_request_duration_seconds",
            "Duration of a model call.",
            _CALL_SECONDS,
            *model,
        )
        self._input = self._counter("omnia_provider_input_tokens_total", "Input tokens.", *model)
        self._output = self._counter("omnia_provider_output_tokens_total", "Output tokens.", *model)
        self._cached = self._counter(
            "omnia_provider_cached_tokens_total",
            "Input tokens from the vendor's prompt cache.",
            *model,
        )
        self._cost = self._counter(
            "omnia_provider_cost_total", "Cost in US dollars.", *model, "variant"
        )
        self._first = self._histogram(
            "omnia_provider_time_to_first_token_seconds",
            "Time from a model call to the first piece of its answer.",
            _TOKEN_SECONDS,
            *model,
        )
        self._retries = self._counter(
            "omnia_provider_retries_total", "Retries of model calls.", "provider"
        )
        self._fallbacks = self._counter(
            "omnia_provider_fallbacks_total",
            "Fallbacks to the next provider.",
            "provider",
        )
        tool = ("handler", "tool")
        self._tools = self._counter("omnia_tool_calls_total", "Tool calls.", *tool, "status")
        self._tool_seconds = self._histogram(
            "omnia_tool_call_duration_seconds", "Duration of a tool call.", _TOOL_SECONDS, *tool
        )
        self._turns = self._histogram(
            "omnia_pipeline_duration_seconds",
            "Duration of a turn.",
            _TURN_SECONDS,
            "status",
            "variant",
        )
        self._turn_cost = self._histogram(
            "omnia_turn_cost_usd",
            "Cost of a turn in US dollars.",
            TURN_COST_USD,
            "variant",
        )
        inflight = self._gauge("omnia_runtime_turns_inflight", "Turns in flight.")
        self._inflight = inflight.labels(**self._const)
        self._limits = self._counter(
            "omnia_turn_limits_reached_total", "Turns that reached a limit.", "limit"
        )
        self._blocked = self._counter(
            "omnia_validations_blocked_total",
            "Texts blocked by a validator.",
            "validator_type",
            "direction",
        )
        self._stored = self._counter(
            "omnia_session_store_operations_total",
            "Operations of the session store.",
            "operation",
            "status",
        )
        self._store_seconds = self._histogram(
            "omnia_session_store_duration_seconds",
            "Duration of an operation of the session store.",
            _STORE_SECONDS,
            "operation",
        )
        self._ended, self._deleted, self._messages = (
            self._counter(f"omnia_runtime_retention_{what}_total", about, "dry_run")
            for what, about in (
                ("sessions_ended", "Sessions that ended because they were not used."),
                ("sessions_deleted", "Sessions whose data was deleted."),
                ("messages_deleted", "Messages deleted because their session had too many."),
            )
        )

    def model_called(self, provider: str, model: str, status: str, seconds: float) -> None:
        """Count a model call; its status is success, error or cancelled."""
        self._series_of(self._requests, provider, model, status).inc()
        self._series_of(self._seconds, provider, model).observe(seconds)

    def used(self, provider: str, model: str, usage: Usage) -> None:
        """Count the tokens and the cost of a model call."""
        self._series_of(self._input, provider, model).inc(usage.input_tokens)
        self._series_of(self._output, provider, model).inc(usage.output_tokens)
        self._series_of(self._cached, provider, model).inc(usage.cached_tokens)
        self._series_of(self._cost, provider, model, self._variant).inc(usage.cost_usd)

    def answering(self, provider: str, model: str, seconds: float) -> None:
        """Observe the time from a model call to the first piece of its answer."""
        self._series_of(self._first, provider, model).observe(seconds)

    def retried(self, provider: str) -> None:
        """Count a retry of a model call."""
        self._series_of(self._retries, provider).inc()

    def fell_back(self, provider: str) -> None:
        """Count a fallback from `provider` to the next one."""
        self._series_of(self._fallbacks, provider).inc()

    def tool_called(self, handler: str, tool: str, status: str, seconds: float) -> None:
        """Count a tool call; its status is success, invalid, error, timeout or refused."""
        self._series_of(self._tools, handler, tool, status).inc()
        self._series_of(self._tool_seconds, handler, tool).observe(seconds)

    @contextmanager
    def measure_turn(self, variant: Callable[[], str] = lambda: "") -> Iterator[None]:
        """Count the turn or the invocation inside the block: in flight, duration and status.

        `variant` is asked at the end; "" is that of the program.
        """
        began, status = time.monotonic(), "error"
        self._inflight.inc()
        try:
            yield
            status = "success"
        except asyncio.CancelledError:
            status = "cancelled"
            raise
        finally:
            self._inflight.dec()
            elapsed = time.monotonic() - began
            self._series_of(self._turns, status, variant() or self._variant).observe(elapsed)

    def turn_cost(self, usage: Usage) -> None:
        """Observe the cost of a turn or an invocation that has ended."""
        self._series_of(self._turn_cost, self._variant).observe(usage.cost_usd)

    def limit_reached(self, limit: str) -> None:
        """Count a turn that reached a limit, as in `Allowance.exhausted`."""
        self._series_of(self._limits, limit.partition(":")[0]).inc()

    def blocked(self, validator_type: str, direction: str) -> None:
        """Count a text that a validator blocked; `direction` is input or output."""
        self._series_of(self._blocked, validator_type, direction).inc()

    def stored(self, operation: str, status: str, seconds: float) -> None:
        """Count an operation of the session store.

        The status is success, conflict, unavailable, cancelled or error.
        """
        self._series_of(self._stored, operation, status).inc()
        self._series_of(self._store_seconds, operation).observe(seconds)

    def retained(self, effects: RetentionEffects) -> None:
        """Count the effects of retention; in a dry run, the effects that it would have had."""
        dry_run = str(effects.dry_run).lower()
        self._series_of(self._ended, dry_run).inc(effects.sessions_ended)
        self._series_of(self._deleted, dry_run).inc(effects.sessions_deleted)
        self._series_of(self._messages, dry_run).inc(effects.messages_deleted)

    def _series_of(self, metric: M, *labels: str) -> M:
        """Return a series. This cache takes a tenth of the time of the library's lookup."""
        found: M | None = self._series.get((metric, labels))
        if found is None:
            found = self._series[metric, labels] = metric.labels(*self._const.values(), *labels)
        return found

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, (*self._const, *labels), registry=self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, (*self._const, *labels), registry=self._registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, about, (*self._const, *labels), registry=self._registry, buckets=buckets
        )


class ScrapedGauges(Collector):
    """Gauges that are computed when Prometheus scrapes them: open streams, open breakers."""

    def __init__(
        self,
        agent: str,
        namespace: str,
        streams: Callable[[], int],
        broken: Callable[[], Mapping[str, bool]],
    ) -> None:
        """Create the collector.

        Args:
            agent: the label of every series.
            namespace: the label of every series.
            streams: returns the number of open streams.
            broken: returns whether the circuit breaker is open, by handler.
        """
        self._const = {"agent": agent, "namespace": namespace}
        self._streams = streams
        self._broken = broken

    def collect(self) -> Iterable[GaugeMetricFamily]:
        values, labels = list(self._const.values()), list(self._const)
        streams = GaugeMetricFamily(
            "omnia_runtime_streams_active", "Open streams of facades.", labels=labels
        )
        streams.add_metric(values, self._streams())
        yield streams
        breakers = GaugeMetricFamily(
            "omnia_tool_breaker_open",
            "1 while the circuit breaker of a tool handler is open, else 0.",
            labels=[*labels, "handler"],
        )
        for handler, broken in self._broken().items():
            breakers.add_metric([*values, handler], float(broken))
        yield breakers
