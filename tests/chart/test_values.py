"""Every value of the chart does what it is for."""

import pytest

from omnia_operator.api.chart import chart_values, readme
from tests.chart.effects import EFFECTS
from tests.chart.rendering import CHART, Renderer, merged, nested

VALUES = [each.name for each in chart_values(CHART)]


def test_every_value_has_an_effect_in_the_table_and_a_comment() -> None:
    assert sorted(EFFECTS) == sorted(VALUES)
    assert [each.name for each in chart_values(CHART) if not each.meaning] == []


@pytest.mark.parametrize("name", EFFECTS)
def test_a_value_changes_what_it_is_for(renderer: Renderer, name: str) -> None:
    effect = EFFECTS[name]
    before = effect.look(renderer(effect.given))
    after = effect.look(renderer(merged(effect.given, nested(name, effect.value))))
    assert after == effect.expected
    assert before != effect.expected


def test_the_readme_of_the_chart_is_what_the_values_say() -> None:
    written = (CHART / "README.md").read_text(encoding="utf-8")
    assert written == readme(CHART), "charts/omnia/README.md is stale: run `make crds`"
