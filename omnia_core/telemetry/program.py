"""What every program reports about itself: its version, its process and its Python."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import structlog
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

_DISTRIBUTION = "omnia-agents-slim"

_log = structlog.get_logger()


@cache
def release() -> str:
    """Return the version of the installed distribution; "" where it is not installed."""
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return ""


def log_start(component: str, **fields: object) -> None:
    """Log the first line of a program: its name, its version and `fields`."""
    _log.info("starting", component=component, version=release(), **fields)


def program_registry(component: str) -> CollectorRegistry:
    """Return a registry for the metrics of a program, with the series that every program has.

    They are those of the Prometheus clients (`process_…`, `python_…`), and `omnia_build_info` with
    the version.

    Args:
        component: the program: operator, facade, runtime or history.
    """
    # A `_created` series beside each counter and histogram would double every scrape.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Gauge(
        "omnia_build_info",
        "Always 1; the labels are the program and its version.",
        ["component", "version"],
        registry=registry,
    )
    build.labels(component, release()).set(1)
    return registry
