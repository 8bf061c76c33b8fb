"""A field that is accepted and not implemented is told, not ignored in silence."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator.api import (
    AgentRuntime,
    PromptPack,
    Provider,
    SessionRetentionPolicy,
    ToolRegistry,
    notes,
)
from omnia_operator.api.container import ExtraContainer, InitContainer
from omnia_operator.api.expose import HTTPRouteSpec
from omnia_operator.api.maturity import LATER
from omnia_operator.cluster.kinds import PROVIDER, TOOL_REGISTRY, ObjectKind
from tests.operator import objects
from tests.operator.cluster import everything, settled
from tests.operator.objects import OPENAI

CASES: list[tuple[ObjectKind, str, JsonObject, str]] = [
    (
        PROVIDER,
        "model",
        objects.provider(OPENAI | {"defaults": {"truncationStrategy": "custom"}}),
        "spec.defaults.truncationStrategy",
    ),
    (
        TOOL_REGISTRY,
        "tools",
        objects.registry(objects.handler({"auth": {"type": "workloadIdentity", "audience": "a"}})),
        "spec.handlers[0].auth.type",
    ),
]


ROOT = Path(__file__).parents[2]
# Objects of Kubernetes' own shape, which are written into manifests as they are.
WRITTEN_WHOLE = frozenset({ExtraContainer, HTTPRouteSpec, InitContainer})
PROGRAMS = ("omnia_core", "omnia_facade", "omnia_operator", "omnia_runtime")


def fields(model: type[BaseModel], path: str, seen: set[type]) -> Iterator[tuple[str, str]]:
    """Yield the attribute and the path of every field of a model, each model once."""
    for attribute, field in model.model_fields.items():
        here = f"{path}.{field.alias or attribute}"
        yield attribute, here
        for inner in models(field.annotation):
            if inner not in seen and inner not in WRITTEN_WHOLE:
                seen.add(inner)
                yield from fields(inner, here, seen)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models(argument)


def test_a_field_that_no_program_reads_is_told() -> None:
    code = "".join(
        file.read_text()
        for package in PROGRAMS
        for file in (ROOT / package).rglob("*.py")
        if file.parent.name != "api"
    )
    told = {each.path.replace("[]", "") for each in LATER}
    # The type of the credential, of which this block has the details, is told.
    told.add("spec.handlers.auth.workloadIdentity")
    seen: set[type] = set()
    resources = (AgentRuntime, PromptPack, Provider, SessionRetentionPolicy, ToolRegistry)
    unread = {
        path
        for resource in resources
        for attribute, path in fields(resource.model_fields["spec"].annotation, "spec", seen)  # type: ignore[arg-type]
        if not re.search(rf"\.{attribute}\b", code)
    }
    assert unread, "fields without a program are found"
    assert [path for path in unread if not path.startswith(tuple(told))] == []


@pytest.mark.parametrize(
    ("kind", "name", "document", "path"), CASES, ids=[each[3] for each in CASES]
)
async def test_a_field_that_is_not_implemented_is_a_condition_and_one_event(
    kind: ObjectKind, name: str, document: JsonObject, path: str
) -> None:
    cluster = await settled(*everything(), document)
    await cluster.settle()

    assert cluster.conditions(name, kind)["SpecEnforced"] == "False: NotImplemented"
    (message,) = [
        each["message"]
        for each in cluster.status(name, kind)["conditions"]
        if each["type"] == "SpecEnforced"
    ]
    assert message.startswith(f"{path}: ")
    assert "not implemented yet" in message
    assert cluster.events.count((name, "NotImplemented")) == 1

    plain = objects.provider(OPENAI) if kind == PROVIDER else objects.registry(objects.handler())
    cluster.put(plain)
    await cluster.settle()
    assert "SpecEnforced" not in cluster.conditions(name, kind)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"evals": {"enabled": True}},
        {"runtime": {"autoscaling": {"enabled": True, "type": "keda", "minReplicas": 0}}},
    ],
    ids=["nothing", "off", "implemented"],
)
async def test_what_is_done_has_no_such_condition(change: JsonObject) -> None:
    cluster = await settled(*everything(change))

    assert "SpecEnforced" not in cluster.conditions()


async def test_the_condition_stays_once_while_the_spec_is_invalid() -> None:
    model = OPENAI | {"defaults": {"truncationStrategy": "custom"}}
    change: JsonObject = {"providers": None, "provider": model}
    cluster = await settled(*everything(change))
    cluster.put(objects.agent({**change, "facade": {"type": "none"}}))

    await cluster.settle()

    types = [each["type"] for each in cluster.status()["conditions"]]
    assert types.count("SpecEnforced") == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.sampled_from(LATER), st.integers(0, 4), VALUES)
def test_a_document_of_any_shape_is_searched(later: Any, depth: int, value: Any) -> None:
    document = value
    for name in reversed(later.path.split(".")[:depth]):
        key = name.removesuffix("[]")
        document = {key: [document] if key != name else document}
    assert all(text for _, text in notes(later.kind, document if depth else {"spec": value}))
    assert list(notes(Kind.PROMPT_PACK, {"spec": value})) == []
