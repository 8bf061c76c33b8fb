"""An object that is nested as deep as the API server stores it costs itself, not its kind."""

import copy
import json

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube import AsyncClient
from lightkube.core import decoders

from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.client import FIELD_MANAGER, ClusterClient
from omnia_operator.cluster.decoding import cut, read_any_depth
from omnia_operator.cluster.kinds import AGENT_RUNTIME
from omnia_operator.cluster.store import Store
from tests.operator.test_client import SERVER_CONFIG

# The API server reads no more.
DEEPEST = 10_000


@pytest.fixture
def any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((json, "_default_decoder"), (decoders, "json_decode")):
        monkeypatch.setattr(module, name, getattr(module, name))
    read_any_depth()


def nested(levels: int) -> str:
    return '{"a":[' * (levels // 2) + '"]}"' + "]}" * (levels // 2)


def depth_of(value: object) -> int:
    depth = 0
    while value:
        depth += 1
        if not isinstance(value, dict | list):
            break
        value = value["a"] if isinstance(value, dict) else value[0]
    return depth


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_not_deep_stays_as_it_is(value: object) -> None:
    text = json.dumps(value)
    assert cut(text) == text


def test_a_deep_part_is_null_and_its_neighbours_stay() -> None:
    text = f'{{"a":[1,{nested(1000)},"}}"],"b":{{"c":"\\"["}}}}'
    found = json.loads(cut(text))
    assert (found["a"][0], found["a"][2], found["b"]) == (1, "}", {"c": '"['})
    assert depth_of(found["a"][1]) == 218


@pytest.mark.usefixtures("any_depth")
@pytest.mark.parametrize("levels", [100, 300, 2000, DEEPEST, 10 * DEEPEST])
def test_json_of_any_depth_is_read(levels: int) -> None:
    found = json.loads(f'{{"before":1,"deep":{nested(levels)},"after":[2]}}')
    assert (found["before"], found["after"]) == (1, [2])
    assert copy.deepcopy(found) == found
    assert depth_of(found["deep"]) == (101 if levels == 100 else 219)
    assert json.loads(b'{"a": 1}') == {"a": 1}
    with pytest.raises(json.JSONDecodeError):
        json.loads("{" + nested(levels))


def item(name: str, spec: str) -> str:
    metadata = f'{{"namespace":"a","name":"{name}","resourceVersion":"7","generation":1}}'
    return f'{{"metadata":{metadata},"spec":{spec}}}'


@pytest.mark.usefixtures("any_depth")
async def test_a_listing_with_a_deep_object_has_the_others() -> None:
    items = ",".join([item("one", '{"b":1}'), item("deep", nested(DEEPEST)), item("two", "{}")])
    text = f'{{"metadata":{{"resourceVersion":"7"}},"items":[{items}]}}'
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text=text))
    client = AsyncClient(SERVER_CONFIG, field_manager=FIELD_MANAGER, transport=transport)
    found = await ClusterClient(client).find_all(AGENT_RUNTIME, None, {})
    assert found is not None
    store = Store()
    listed: list[JsonObject] = list(found[0])
    store.replace(AGENT_RUNTIME, listed, found[1], None)
    assert set(store.keys(AGENT_RUNTIME)) == {("a", "one"), ("a", "deep"), ("a", "two")}
