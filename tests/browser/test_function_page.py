"""The page of a function: a form made from the input's schema."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from omnia_core.names import Mode
from tests.browser.served import Served, served
from tests.browser.tab import Tab
from tests.facade.functions_bed import FunctionRuntime, function_file

ORDER = {
    "type": "object",
    "required": ["customer", "express", "address", "tags"],
    "properties": {
        "customer": {"type": "string", "maxLength": 80, "description": "Who orders"},
        "amount": {"type": "number", "minimum": 0.5},
        "express": {"type": "boolean", "description": "Send it at once"},
        "gift": {"type": "boolean"},
        "size": {"enum": ["S", "M", 12, None]},
        "day": {"type": "string", "format": "date"},
        "address": {"$ref": "#/$defs/Address"},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "extra": {"oneOf": [{"type": "string"}, {"type": "array"}]},
        "a/b": {"type": "integer", "default": 3},
        "left out": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
    "$defs": {
        "Address": {
            "type": "object",
            "title": "Delivery address",
            "required": ["city"],
            "properties": {"city": {"type": "string", "minLength": 2, "maxLength": 60}},
        }
    },
}


def labelled(text: str) -> str:
    """Return an expression for the input with this label; assistive technology finds it so."""
    return (
        "[...document.querySelectorAll('#input label')]"
        f".find((each) => each.innerText.startsWith({text!r})).control"
    )


def field(tab: Tab, text: str) -> str:
    tab.until(labelled(text))
    return f"#{tab.value(f'{labelled(text)}.id')}"


def wrong(tab: Tab, text: str) -> str:
    """Return what is said to be wrong with a field."""
    return tab.text(f"{field(tab, text)}-wrong")


@contextlib.contextmanager
def function(folder: Path, schema: dict[str, Any], **more: Any) -> Iterator[Served]:
    runtime = FunctionRuntime()
    path = function_file(folder, inputSchema=schema)
    with served(runtime, mode=Mode.FUNCTION, function_path=path, **more) as found:
        yield found


def test_every_kind_of_field_is_sent_as_its_schema_wants_it(tab: Tab, tmp_path: Path) -> None:
    with function(tmp_path, ORDER) as agent:
        assert isinstance(agent.runtime, FunctionRuntime)
        tab.open(agent.page)
        tab.fill(field(tab, "extra"), "[1, {")
        tab.click("#call")
        tab.until_text(f"{field(tab, 'extra')}-wrong", "This is not JSON")
        tab.fill(field(tab, "extra"), '[1, {"two": true}]')
        tab.fill(field(tab, "amount"), "lots")
        tab.click("#call")
        tab.until_text(f"{field(tab, 'amount')}-wrong", '"lots"')
        assert "shorter" in wrong(tab, "city")
        # A list has no field of its own for what it lacks.
        tab.until_text("#fields", "[] has less than 1 item")

        tab.fill(field(tab, "customer"), "Ada")
        tab.fill(field(tab, "amount"), "2.5")
        tab.click(field(tab, "express"))
        tab.choose(field(tab, "size"), "12")
        tab.fill(field(tab, "city"), "Bern")
        for number, text in enumerate(("red", "blue", "none")):
            tab.value(
                "[...document.querySelectorAll('#fields button')]"
                ".find((each) => each.innerText === 'Add to tags').click()"
            )
            tab.fill(f".list li:nth-child({number + 1}) input", text)
        tab.click(".list li:nth-child(3) button")
        tab.click("#call")
        tab.until_text("#result pre", '"summary": "short"')
        assert orjson.loads(agent.runtime.invoked[-1].input_json) == {
            "customer": "Ada",
            "amount": 2.5,
            "express": True,
            "size": 12,
            "address": {"city": "Bern"},
            "tags": ["red", "blue"],
            "extra": [1, {"two": True}],
            "a/b": 3,
        }


def test_a_schema_that_is_no_form_is_a_json_editor(tab: Tab, tmp_path: Path) -> None:
    schema = {"type": "array", "items": {"type": "array"}}
    with function(tmp_path, schema, allow_unauthenticated=True) as agent:
        assert isinstance(agent.runtime, FunctionRuntime)
        agent.runtime.output_json = '{"summary": 1}'
        tab.open(agent.page)
        tab.fill(field(tab, "input"), "[[1], 2]")
        tab.click("#call")
        tab.until_text(".wrong", "/1: 2 is not of type")
        tab.fill(field(tab, "input"), "[[1]]")
        tab.click("#call")
        tab.until_text("#result .error", "output_invalid")
        assert '"summary": 1' in tab.text("#result pre")
