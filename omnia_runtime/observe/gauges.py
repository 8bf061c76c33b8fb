"""What a runtime measures when it is asked for, and not before."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Levels(Collector):
    """Open streams, and tool handlers that are left alone."""

    def __init__(
        self,
        agent: str,
        namespace: str,
        streams: Callable[[], int],
        broken: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._const = {"agent": agent, "namespace": namespace}
        self._streams = streams
        self._broken = broken

    def collect(self) -> Iterable[GaugeMetricFamily]:
        values, labels = list(self._const.values()), list(self._const)
        streams = GaugeMetricFamily(
            "omnia_runtime_streams_active", "Streams of facades that are open.", labels=labels
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
