"""Every value of the chart does what it is for."""

import pytest
import yaml

from omnia_operator.api.chart import chart_values, readme
from tests.chart.effects import EFFECTS
from tests.chart.rendering import CHART, Object, Renderer, merged, nested, without_definitions
from tests.contract.test_documents import blocks

ROOT = CHART.parents[1]

VALUES = [each.name for each in chart_values(CHART)]


def test_every_value_has_an_effect_in_the_table_and_a_comment() -> None:
    assert sorted(EFFECTS) == sorted(VALUES)
    assert [each.name for each in chart_values(CHART) if not each.meaning] == []


@pytest.mark.parametrize("name", EFFECTS)
def test_a_value_changes_what_it_is_for(renderer: Renderer, name: str) -> None:
    effect = EFFECTS[name]
    given = without_definitions(effect.given, name)
    before = effect.look(renderer(given))
    after = effect.look(renderer(merged(given, nested(name, effect.value))))
    assert after == effect.expected
    assert before != effect.expected


def test_the_readme_of_the_chart_is_what_the_values_say() -> None:
    written = (CHART / "README.md").read_text(encoding="utf-8")
    assert written == readme(CHART), "charts/omnia/README.md is stale: run `make crds`"


def examples() -> list[Object]:
    """Return the values that the pages show."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    shown = [
        document
        for page in pages
        for block in blocks(page, "yaml")
        for document in yaml.safe_load_all(block)
    ]
    return [each for each in shown if isinstance(each, dict) and set(each) <= TOP]


TOP = {each.path[0] for each in chart_values(CHART)}


def test_helm_accepts_the_values_that_the_pages_show(renderer: Renderer) -> None:
    found = examples()
    assert len(found) >= 6
    for each in found:
        assert renderer(each)
