"""A real Prometheus reads what a live agent counts."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import orjson
import pytest
import yaml
from websockets.sync.client import connect

from tests.chart.test_monitoring import ALERTS, alerts, queries
from tests.end_to_end.conftest import LIMIT, Start
from tests.end_to_end.test_conversations import THREE_TURNS
from tests.services import free_port, wait_listening

Example = Callable[[str], Path]

AGENT = {"agent": "support-agent", "namespace": "default"}
# A turn that asks for a tool asks the model twice; order Z-9 does not exist.
COUNTS = {
    'sum(up{job="facade"} + on() up{job="runtime"})': 2,
    'sum(omnia_agent_requests_total{status="success"})': 3,
    'sum(omnia_agent_requests_total{status="error"})': 0,
    'sum(omnia_agent_request_duration_seconds_count{handler="runtime"})': 3,
    "sum(omnia_agent_time_to_first_chunk_seconds_count)": 3,
    "sum(omnia_agent_messages_received_total)": 3,
    "sum(omnia_agent_connections_total)": 1,
    "sum(omnia_agent_connections_active)": 0,
    'sum(omnia_pipeline_duration_seconds_count{status="success"})': 3,
    'sum(omnia_provider_requests_total{provider="default",status="success"})': 5,
    "sum(omnia_provider_time_to_first_token_seconds_count)": 5,
    'sum(omnia_tool_calls_total{tool="lookup_order",status="success"})': 1,
    'sum(omnia_tool_calls_total{tool="lookup_order",status="error"})': 1,
    'sum(omnia_session_store_operations_total{operation="append",status="success"})': 6,
    "sum(omnia_runtime_turns_inflight)": 0,
    "sum(omnia_tool_breaker_open)": 0,
}


class Prometheus:
    """A Prometheus that scrapes twice a second."""

    def __init__(self, program: str, folder: Path, targets: dict[str, str]) -> None:
        """`targets` are the health addresses, by job."""
        jobs = [
            {
                "job_name": name,
                "honor_labels": True,
                "static_configs": [{"targets": [urlsplit(url).netloc]}],
            }
            for name, url in targets.items()
        ]
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": jobs,
        }
        file = folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(config))
        self.port = free_port()
        self.errors = folder / "prometheus.txt"
        with self.errors.open("wb") as sink:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={file}",
                    f"--storage.tsdb.path={folder / 'series'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stderr=sink,
            )

    def get(self, path: str) -> dict[str, Any]:
        """Return the data of an answer."""
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=LIMIT) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
        assert found["status"] == "success"
        data: dict[str, Any] = found["data"]
        return data

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of a query."""
        samples: list[dict[str, Any]] = self.get(f"query?query={quote(expression)}")["result"]
        return samples

    def value(self, expression: str) -> float | None:
        """Return the only value of a query, None where there is none."""
        samples = self.query(expression)
        return float(samples[0]["value"][1]) if samples else None

    def wait_ready(self) -> None:
        """Wait until it answers queries; before, it says 503."""
        deadline = time.monotonic() + LIMIT
        while True:
            with contextlib.suppress(HTTPError):
                urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=LIMIT).close()
                return
            assert time.monotonic() < deadline, self.errors.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(LIMIT)


@contextlib.contextmanager
def prometheus(program: str, folder: Path, targets: dict[str, str]) -> Iterator[Prometheus]:
    running = Prometheus(program, folder, targets)
    try:
        wait_listening(running.port)
        running.wait_ready()
        yield running
    finally:
        running.stop()


def three_turns(url: str) -> list[dict[str, Any]]:
    """Say three things, and return the last frame of each answer."""
    ends = []
    with connect(url) as socket:
        for said in THREE_TURNS:
            socket.send(orjson.dumps({"type": "message", "content": said}).decode())
            while (frame := orjson.loads(socket.recv(LIMIT)))["type"] != "done":
                assert frame["type"] != "error"
            ends.append(frame)
    return ends


@pytest.fixture
def program(need_program: Callable[[str, str], str]) -> str:
    return need_program("prometheus", "apt-get install prometheus")


def test_prometheus_counts_what_was_said(
    program: str, start: Start, example: Example, tmp_path: Path
) -> None:
    ready = start(example("support-agent")).wait("ready")
    ends = three_turns(ready["url"])
    used = {
        f"sum(omnia_provider_{side}_tokens_total)": sum(
            end["usage"][f"{side}_tokens"] for end in ends
        )
        for side in ("input", "output")
    }
    expected = {**COUNTS, **used}
    with prometheus(program, tmp_path, ready["health"]) as asked:
        deadline = time.monotonic() + LIMIT
        while (found := {each: asked.value(each) for each in expected}) != expected:
            assert time.monotonic() < deadline, (found, asked.errors.read_text())
            time.sleep(0.1)

        (sample,) = asked.query("omnia_runtime_info")
        assert AGENT.items() <= sample["metric"].items()
        for expression in queries():
            asked.query(expression)
        groups = asked.get("rules")["groups"]
        assert sum(len(group["rules"]) for group in groups) == len(alerts())
    assert min(used.values()) > 0
