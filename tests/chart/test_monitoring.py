"""The alerts and the dashboard of the chart, read by Prometheus' own tool."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnia_operator.cluster.kinds import DEPLOYMENT
from tests.chart.alert_cases import (
    AGENT,
    BUILD,
    FIRES,
    LEADER,
    OPERATOR,
    QUIET,
    READY,
    UNMET,
    Series,
)
from tests.chart.test_chart_files import CHART, ROOT, schema, values
from tests.contract.metrics_page import CONSTANT, every_row, exposed
from tests.operator import objects

ALERTS = CHART / "files/alerts.yaml"
PAGE = ROOT / "docs/how-to/monitoring.md"
INSTALL = "apt-get install prometheus"
# What Grafana fills in, and what it could be.
VARIABLES = {"$__rate_interval": "5m", "$namespace": "shop", "$agent": "jam"}
# Labels that Prometheus gives every series of a target.
TARGET = frozenset({"pod", "le", "job", "instance"})

# Words with an underscore that name no series.
FUNCTIONS = frozenset({"histogram_quantile", "group_left"})

NeedProgram = Callable[[str, str], str]


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "files/dashboard.json").read_text())
    return found


def queries() -> Iterator[str]:
    """Yield the expressions of the dashboard, its variables filled in."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression: str = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield expression


def promtool(program: str, *arguments: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_every_rule_and_every_query(
    need_program: NeedProgram, tmp_path: Path
) -> None:
    program = need_program("promtool", INSTALL)
    records = [{"record": f"q:{n}", "expr": each} for n, each in enumerate(queries())]
    assert len(records) > 30
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    promtool(program, "check", "rules", str(ALERTS), str(file))


def test_each_alert_fires_when_it_should_and_at_no_other_time(
    need_program: NeedProgram, tmp_path: Path
) -> None:
    assert FIRES.keys() == QUIET.keys() == alerts().keys()
    program = need_program("promtool", INSTALL)
    cases = [case(name, series, fires=1) for name, series in FIRES.items()]
    cases += [case(name, series, fires=0) for name, series in QUIET.items()]
    file = tmp_path / "cases.yaml"
    document = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": cases}
    file.write_text(yaml.safe_dump(document))
    promtool(program, "test", "rules", str(file))


def test_the_alert_about_an_agent_that_is_not_ready_names_the_reason(
    need_program: NeedProgram, tmp_path: Path
) -> None:
    program = need_program("promtool", INSTALL)
    reason = 'condition="Ready",reason="CrashLoopBackOff"'
    series = {f"{READY}{{{AGENT}}}": "0x60", f"{UNMET}{{{AGENT},{reason}}}": "1x60"}
    runbook = "docs/how-to/monitoring.md#omniaagentnotready"
    alert = {
        "exp_labels": {"severity": "warning", "agent": "jam", "namespace": "kitchen"},
        "exp_annotations": {
            "summary": "kitchen/jam is not ready: CrashLoopBackOff",
            "runbook": runbook,
        },
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": each, "values": given} for each, given in series.items()],
        "alert_rule_test": [
            {"eval_time": "60m", "alertname": "OmniaAgentNotReady", "exp_alerts": [alert]}
        ],
    }
    file = tmp_path / "cases.yaml"
    document = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(yaml.safe_dump(document))
    promtool(program, "test", "rules", str(file))


def case(name: str, series: Series, *, fires: int) -> dict[str, Any]:
    """Return a case of promtool: an hour of these series, and which alerts fire at its end."""
    if not any(each.startswith(LEADER) for each in series):
        series = {**series, f"{LEADER}{{{OPERATOR}}}": "1x60"}
    series = {**series, f'{BUILD}{{component="operator",{OPERATOR}}}': "1x60"}
    firing = {"labels": f'{{alertname="{name}"}}', "value": 1}
    return {
        "name": f"{name} {'fires' if fires else 'is quiet'}",
        "interval": "1m",
        "input_series": [{"series": each, "values": given} for each, given in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "60m",
                "exp_samples": [firing] * fires,
            }
        ],
    }


@pytest.mark.parametrize("expression", [*queries(), *(each["expr"] for each in alerts().values())])
def test_every_query_asks_for_series_and_labels_that_exist(expression: str) -> None:
    rows = {name: row for row in every_row().values() for name in exposed(row)}
    series = re.sub(r"by \([^)]*\)", "", expression)
    words = re.findall(r"\b(\w+_\w+)(?:\{([^}]*)\})?", series)
    asked = [(name, chosen) for name, chosen in words if name not in FUNCTIONS]
    assert asked
    for name, chosen in asked:
        known = rows[name].labels | CONSTANT | TARGET
        assert set(re.findall(r"(\w+)\s*=", chosen)) <= known
    grouped = {
        each.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for each in by.split(",")
    }
    measured = [name for name, _ in asked if name != BUILD]
    assert all(grouped <= rows[name].labels | CONSTANT | TARGET for name in measured)


def test_every_alert_says_what_to_do_and_has_a_section_that_says_more() -> None:
    sections = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sections == list(alerts())
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook"] == f"docs/how-to/monitoring.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_thresholds_of_the_values_are_those_of_the_file() -> None:
    found = {name: float(rule["expr"].split()[-1]) for name, rule in alerts().items()}
    assert values()["metrics"]["prometheusRule"]["thresholds"] == found
    known = schema()["properties"]["metrics"]["properties"]["prometheusRule"]["properties"]
    assert known["thresholds"]["properties"].keys() == found.keys()


def test_no_two_panels_of_the_dashboard_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_each_container_of_an_agent_is_scraped_by_the_name_of_its_port() -> None:
    written = objects.DATA / "golden/evals/out.yaml"
    pods = [
        each["spec"]["template"]["spec"]
        for each in yaml.safe_load_all(written.read_text())
        if each["kind"] == DEPLOYMENT.name
    ]
    named = [
        port["name"] for pod in pods for each in pod["containers"] for port in each.get("ports", [])
    ]
    monitor = (CHART / "templates/podmonitor.yaml").read_text()
    scraped = re.findall(r"^    - port: (\S+)$", monitor, re.MULTILINE)
    assert scraped == [name for name in named if name.endswith("-health")]
    assert len(scraped) == 3
