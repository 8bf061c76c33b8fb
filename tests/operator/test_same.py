"""Whether an object of the cluster is as it is wanted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_operator.cluster.kinds import DEPLOYMENT
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.manifests import same


def compare(wanted: Any, found: Any) -> bool:
    return same(Manifest(DEPLOYMENT, ("a", "b"), {"spec": wanted}), {"spec": found})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": False, "b": [], "c": {}, "d": 0}, {}),
        ({"cpu": "1000m"}, {"cpu": "1"}),
        ({"cpu": 1}, {"cpu": "1"}),
        ({"memory": "0.5Gi"}, {"memory": "512Mi"}),
        ({"cpu": 0.5}, {"cpu": "500m"}),
        ([{"name": "facade"}], [{"name": "mesh"}, {"name": "facade", "tty": True}]),
        ([{"a": 1}, {"a": 2}], [{"a": 1, "b": 1}, {"a": 2}]),
    ],
)
def test_an_object_is_the_same_with_what_others_added(wanted: Any, found: Any) -> None:
    assert compare(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {}),
        ({"a": 1}, {"a": [1]}),
        ({"a": "1"}, {"a": None}),
        ({"a": True}, {"a": 1.5}),
        ({"cpu": "1"}, {"cpu": "2"}),
        ({"hash": "1e99999999999999"}, {"hash": "2e99999999999999"}),
        ({"hash": "1e3"}, {"hash": "1000"}),
        ({"hash": "0123"}, {"hash": "123"}),
        ([1, 2], [2, 1]),
        ([{"name": "facade"}], [{"name": "a"}, {"name": "b"}]),
        ([{"name": "facade"}, {"name": "runtime"}], [{"name": "facade"}]),
        ([{"name": "facade"}, {"name": "runtime"}], [{"name": "facade"}, {"name": "a"}, {"b": 1}]),
        ({"a": 0}, {"a": 3}),
        ({"a": False}, {"a": True}),
        ({"a": {}}, {"a": [1]}),
        ([1], []),
        ([1], {"a": 1}),
    ],
)
def test_an_object_that_says_something_else_is_another(wanted: Any, found: Any) -> None:
    assert not compare(wanted, found)


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        ("1n", "0.000000001"),
        ("1u", "0.000001"),
        ("1m", "0.001"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1G", "1000000000"),
        ("1T", "1000000000000"),
        ("1P", "1000000000000000"),
        ("1E", "1000000000000000000"),
        ("1Ki", "1024"),
        ("1Mi", "1048576"),
        ("1Gi", "1073741824"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"),
    ],
)
def test_a_quantity_is_a_number_with_a_unit_of_kubernetes(quantity: str, number: str) -> None:
    assert compare({"memory": quantity}, {"memory": number})
    assert not compare({"memory": quantity}, {"memory": f"{number}1"})


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1), VALUES, st.data())
def test_a_value_that_differs_is_found_wherever_it_is(
    wanted: dict[str, Any], added: Any, data: st.DataObject
) -> None:
    assert compare(wanted, wanted)
    assert compare({"kept": wanted}, {"kept": wanted, "added": added})
    key = data.draw(st.sampled_from(sorted(wanted)))
    other = {**wanted, key: "a value that is longer than any other"}
    assert not compare({"kept": wanted}, {"kept": other})
    assert not compare({"kept": [other]}, {"kept": [wanted]})
