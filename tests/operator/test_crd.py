"""The generated CRDs are fresh and structural."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omnia_operator.api.crd import definition, main, render
from omnia_operator.api.maturity import LATER
from omnia_operator.api.provider import Provider
from tests.operator.objects import parsed

ROOT = Path(__file__).parents[2]
GENERATED = render()
CRDS = {name: parsed(text) for name, text in GENERATED.items() if name.endswith(".yaml")}
FORBIDDEN = {
    *("$ref", "$defs", "title", "const", "oneOf", "anyOf", "allOf", "discriminator", "null"),
    "propertyNames",
}


# The fields of JSONSchemaProps (apiextensions.k8s.io/v1) that the definitions use, and their types.
FIELDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("type", "description", "format", "pattern"), str),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), (int, float)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), int),
    **dict.fromkeys(("minProperties", "maxProperties"), int),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum", "uniqueItems", "nullable"), bool),
    **dict.fromkeys(("properties", "items", "additionalProperties"), dict),
    **dict.fromkeys(("required", "enum", "x-kubernetes-list-map-keys"), list),
    "default": object,
    "x-kubernetes-int-or-string": bool,
    "x-kubernetes-list-type": str,
    "x-kubernetes-map-type": str,
    "x-kubernetes-preserve-unknown-fields": bool,
    "x-kubernetes-validations": list,
}


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for field in schema.get("properties", {}).values():
        yield from _nodes(field)
    for part in ("items", "additionalProperties"):
        if part in schema:
            yield from _nodes(schema[part])


def _schema(crd: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_says_what_the_models_say(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == GENERATED[name], "run `make crds`"


def test_the_check_passes_on_fresh_files() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_the_schema_is_structural(crd: dict[str, Any]) -> None:
    for node in _nodes(_schema(crd)):
        assert not FORBIDDEN & node.keys()
        assert "type" in node or node.get("x-kubernetes-preserve-unknown-fields")
        assert not {"properties", "additionalProperties"} <= node.keys()
        assert node.get("default", ...) is not None


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_every_field_of_the_schema_is_one_that_the_api_server_decodes(crd: dict[str, Any]) -> None:
    for node in _nodes(_schema(crd)):
        for name, value in node.items():
            assert isinstance(value, FIELDS[name]), (name, value)


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_the_keys_of_a_list_map_are_required_fields(crd: dict[str, Any]) -> None:
    for node in _nodes(_schema(crd)):
        for key in node.get("x-kubernetes-list-map-keys", []):
            assert key in node["items"]["required"]


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_every_field_of_spec_and_status_is_described(crd: dict[str, Any]) -> None:
    for part in ("spec", "status"):
        for node in _nodes(_schema(crd)["properties"][part]):
            for name, field in node.get("properties", {}).items():
                assert field.get("description"), name


def test_a_crd_has_names_columns_and_a_status() -> None:
    crd = definition(Provider)["spec"]

    assert crd["names"]["shortNames"] == ["prov"]
    assert crd["names"]["categories"] == ["omnia"]
    assert crd["versions"][0]["subresources"] == {"status": {}}
    assert [each["name"] for each in crd["versions"][0]["additionalPrinterColumns"]] == [
        "Type",
        "Model",
        "Phase",
        "Age",
    ]


@pytest.mark.parametrize("later", LATER, ids=lambda later: f"{later.kind} {later.path}")
def test_a_field_that_acts_later_says_so_in_its_description(later: Any) -> None:
    crd = next(each for each in CRDS.values() if each["spec"]["names"]["kind"] == later.kind)

    assert any(later.today in node.get("description", "") for node in _nodes(_schema(crd)))


def _free(schema: dict[str, Any], *, tracked: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the fields of any shape that are not in a list, which is one value for its owner."""
    if tracked and schema.get("x-kubernetes-preserve-unknown-fields"):
        yield schema
    for field in schema.get("properties", {}).values():
        yield from _free(field, tracked=tracked)
    for part in ("items", "additionalProperties"):
        if part in schema:
            listed = part == "items" and schema.get("x-kubernetes-list-type") != "map"
            yield from _free(schema[part], tracked=tracked and not listed)


@pytest.mark.parametrize("name", CRDS)
def test_no_field_of_any_shape_has_owners_below_it(name: str) -> None:
    # The API server stores who owns each field of an object that is not atomic, in one that is
    # deeper. One that is nearly as deep as it reads at all then keeps the kind from being listed.
    for each in _free(_schema(CRDS[name])):
        assert (each.get("type"), each.get("x-kubernetes-map-type")) == ("object", "atomic"), each
