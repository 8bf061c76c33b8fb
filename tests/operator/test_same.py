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
        ([1], []),
        ([1], {"a": 1}),
    ],
)
def test_an_object_that_says_something_else_is_another(wanted: Any, found: Any) -> None:
    assert not compare(wanted, found)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_any_two_values_can_be_compared(wanted: Any, found: Any) -> None:
    assert compare(wanted, wanted)
    compare(wanted, found)
