"""Whatever a document holds, there are findings and no traceback."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api import InvalidResource, Severity, findings, parse
from tests.operator import objects

WHOLE = [
    *objects.documents(objects.DATA / "golden" / "platform" / "in.yaml"),
    *objects.documents(objects.DATA / "golden" / "gateway" / "in.yaml"),
    objects.load(objects.DATA / "spec" / "001-complete.yaml"),
    objects.load(objects.DATA / "spec" / "002-summarizer.yaml"),
    objects.pack({"rollout": {"type": "canary", "canary": {}}}),
    objects.provider({"mock": {"responses": {"turns": {1: "a"}}}, "pricing": {}, "headers": {}}),
    objects.registry(objects.handler({"auth": {"type": "bearer"}})),
    objects.policy({"retentionDays": 30, "maxMessagesPerSession": 2, "dryRun": True}),
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        place
        for key, inner in items
        for place in [
            (*path, key),
            *(places(inner, (*path, key)) if isinstance(inner, dict | list) else []),
        ]
    ]


def replaced(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    if not path:
        return new
    inner = replaced(value[path[0]], path[1:], new)
    if isinstance(value, dict):
        return {**value, path[0]: inner}
    return [inner if index == path[0] else each for index, each in enumerate(value)]


@given(st.data())
def test_any_value_anywhere_is_explained(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    place = data.draw(st.sampled_from(places(whole)))
    document: JsonObject = replaced(whole, place, data.draw(VALUES))

    errors = [each for each in findings(document) if each.severity is Severity.ERROR]
    if not errors:
        assert parse(document)
        return
    with pytest.raises(InvalidResource) as refused:
        parse(document)
    assert refused.value.findings == errors
