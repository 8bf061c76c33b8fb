"""Log lines: which trace they belong to, and what they never hold."""

import contextlib
import subprocess
import sys
from typing import Any

import orjson
import pytest

from omnia_core.env import SecretStr
from omnia_core.telemetry.redaction import redact_secrets
from tests.services import LIMIT

LINES = """
import structlog
from omnia_core.env import SecretStr, FacadeEnv
from omnia_core.telemetry.logs import configure_logs
from omnia_core.telemetry.tracing import SpanKind
from omnia_core.telemetry.tracing.configuration import configure_tracing
from prometheus_client import CollectorRegistry

configure_logs("info", agent="jam")
log = structlog.get_logger()
log.info("before")
env = FacadeEnv(agent_name="jam", tracing_enabled=True, tracing_endpoint="127.0.0.1:1")
tracer = configure_tracing(env, CollectorRegistry())
with tracer.start_span("turn", SpanKind.SERVER, session_id="s1") as span:
    log.info(span.traceparent, api_key="sk-1", key=SecretStr("sk-2"))
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed", session_id="s2")
log.info("after")
"""
LIBRARY = """
import logging
from omnia_core.telemetry.logs import configure_logs

configure_logs("info")
log = logging.getLogger("library")
log.info("quiet")
log.warning("told %s", "once", extra={"api_key": "sk-1"})
log.log(35, "odd")
log.critical("worst")
log.warning("wrong %s %s", "once")
try:
    raise ValueError("broken")
except ValueError:
    log.exception("failed")
"""


def written(program: str = LINES) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=LIMIT, check=True
    )
    return [orjson.loads(line) for line in done.stderr.splitlines() if line.startswith(b"{")]


def test_the_lines_of_libraries_are_json_with_the_name_of_their_logger() -> None:
    lines = written(LIBRARY)

    assert [(each["logger"], each["level"], each["event"]) for each in lines] == [
        ("library", "warning", "told once"),
        ("library", "warning", "odd"),
        ("library", "error", "worst"),
        ("library", "error", "failed"),
    ]
    assert "ValueError: broken" in lines[-1]["exception"]


def test_a_line_names_the_trace_and_session_during_which_it_was_written() -> None:
    before, during, failed, after = written()
    version, trace, span, _ = during["event"].split("-")
    assert version == "00"
    assert (during["trace_id"], during["span_id"], during["session_id"]) == (trace, span, "s1")
    assert (failed["trace_id"], failed["session_id"]) == (trace, "s2")
    assert "ValueError: broken" in failed["exception"]
    assert "trace_id" not in before
    assert "trace_id" not in after


def test_a_line_holds_no_secret() -> None:
    _, during, _, _ = written()
    assert (during["api_key"], during["key"], during["agent"]) == ("***", "***", "jam")


def redacted(**event: Any) -> dict[str, Any]:
    found: dict[str, Any] = redact_secrets(None, "info", event)
    return found


@pytest.mark.parametrize(
    "key",
    [
        "authorization",
        "Authorization",
        "proxy-authorization",
        "api_key",
        "apiKey",
        "x-api-key",
        "openai_api_key",
        "token",
        "access_token",
        "refreshToken",
        "password",
        "db_passwd",
        "client_secret",
        "clientSecret",
        "set-cookie",
        "private_key",
        "credential",
    ],
)
def test_a_text_under_the_key_of_a_secret_is_not_shown(key: str) -> None:
    assert redacted(**{key: "s3cret"}) == {key: "***"}
    assert redacted(headers={key: "s3cret"}) == {"headers": {key: "***"}}
    assert redacted(headers=[{key: ["s3cret"]}]) == {"headers": [{key: ["***"]}]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_tokens", 12),
        ("max_tokens", 12),
        ("tokens", "12"),
        ("token", 12),
        ("secret", "name-of-a-secret"),
        ("key", "name"),
        ("monkey", "bobo"),
        ("event", "the token was refused"),
    ],
)
def test_what_only_looks_like_a_secret_is_shown(key: str, value: object) -> None:
    assert redacted(**{key: value}) == {key: value}


def test_a_secret_is_recognised_by_its_type_wherever_it_is() -> None:
    key = SecretStr("s3cret")
    assert redacted(a=key, b=[key], c={"d": (key,)}) == {
        "a": "***",
        "b": ["***"],
        "c": {"d": ["***"]},
    }


def test_what_is_nested_too_deeply_is_left_out() -> None:
    nested: Any = "s3cret"
    for _ in range(8):
        nested = {"password": nested}
    assert "s3cret" not in str(redacted(a=nested))


def test_an_exception_reaches_its_own_processor_as_it_is() -> None:
    with contextlib.suppress(ValueError):
        raise ValueError
    info = (ValueError, ValueError("x"), None)
    assert redacted(exc_info=info)["exc_info"] is info
