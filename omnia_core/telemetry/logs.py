"""Structured logs: one JSON object a line on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.redaction import redact_secrets
from omnia_core.telemetry.tracing.span import current_span

# structlog loads rich, to draw tracebacks, wherever rich is installed: 4 MB and 50 ms in a program
# that writes JSON.
_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = None  # type: ignore[assignment] # how Python marks a module as not there
import structlog  # noqa: E402 - as above

if _absent:
    del sys.modules["rich"]

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(level: str, **fields: str) -> None:
    """Configure logging; every line has `fields`.

    Raises:
        ConfigurationError: `level` is unknown.
    """
    if level not in _LEVELS:
        raise ConfigurationError(f"LOG_LEVEL: expected {', '.join(_LEVELS)}")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact_secrets,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(**fields)
    logging.basicConfig(level=logging.WARNING, handlers=[_StructuredHandler()])
    logging.captureWarnings(capture=True)


class _StructuredHandler(logging.Handler):
    """Writes the lines of libraries in the same form, with the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # structlog knows no other levels.
            level = max((each for each in _LEVELS.values() if each <= record.levelno), default=10)
            fields = {"logger": record.name, **_exception(record)}
            structlog.get_logger().log(level, record.getMessage(), **fields)
        except Exception:  # noqa: BLE001 - a line of a library must not end the program
            self.handleError(record)


def _exception(record: logging.LogRecord) -> dict[str, Any]:
    return {"exc_info": record.exc_info} if record.exc_info else {}


def _add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Add the trace, the span and the session during which the line was written."""
    span = current_span()
    if span.traceparent:
        _, event["trace_id"], event["span_id"], _ = span.traceparent.split("-")
        if span.session_id:
            event.setdefault("session_id", span.session_id)
    return event
