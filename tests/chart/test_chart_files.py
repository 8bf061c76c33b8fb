"""What can be said about the chart without Helm."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from omnia_core.env import HistoryEnv, OperatorEnv

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/omnia"


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


def test_the_chart_has_the_resource_definitions_as_they_are_generated() -> None:
    generated = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    in_chart = {path.name: path.read_text() for path in (CHART / "crds").glob("*.yaml")}
    assert in_chart == generated, "charts/omnia/crds is stale: run `make crds`"


def test_the_values_are_what_their_schema_says() -> None:
    jsonschema.validate(values(), schema(), jsonschema.Draft7Validator)


@pytest.mark.parametrize("block", sorted(values()))
def test_every_value_is_known_to_the_schema(block: str) -> None:
    assert block in schema()["properties"]


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("operater", {}),
        ("tracing", {"enabled": True, "endpoint": ""}),
        ("tracing", {"sampleRate": 2}),
        ("networkPolicy", {"enabled": True, "namespaces": []}),
        ("history", {"enabled": True, "database": {"secretName": "", "key": "url"}}),
        ("facade", {"image": {"repository": "omnia-facade", "tag": "", "pullPolicy": "Always"}}),
    ],
)
def test_a_value_that_cannot_work_is_refused(block: str, value: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values(), block: value}, schema(), jsonschema.Draft7Validator)


def test_the_chart_sets_only_variables_that_the_operator_reads() -> None:
    text = (CHART / "templates/_environment.tpl").read_text()
    written = set(re.findall(r"^- name: (\w+)", text, re.MULTILINE))
    assert written <= {each.name for each in OperatorEnv.reference()}


def test_the_chart_sets_every_variable_that_the_operator_needs() -> None:
    text = (CHART / "templates/_environment.tpl").read_text()
    needed = {each.name for each in OperatorEnv.reference() if each.required}
    assert needed <= set(re.findall(r"^- name: (\w+)", text, re.MULTILINE))


def test_the_chart_sets_only_variables_that_the_history_reads() -> None:
    text = (CHART / "templates/history.yaml").read_text()
    written = set(re.findall(r"^ +- name: ([A-Z_]+)$", text, re.MULTILINE))
    needed = {each.name for each in HistoryEnv.reference() if each.required}
    assert needed <= written <= {each.name for each in HistoryEnv.reference()}
