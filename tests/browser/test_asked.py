"""A tool of the client: the person at the page fills in the form of its result."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.accessibility import needs_axe, violations
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered
from tests.browser.test_page_for_everybody import check
from tests.end_to_end.conftest import running_up
from tests.services import free_port

LAST = ".message.agent:last-of-type"
FOCUSED = "document.activeElement.labels?.[0].innerText ?? document.activeElement.innerText"
LAMP: dict[str, Any] = {
    "type": "object",
    "required": ["colour", "count"],
    "properties": {
        "colour": {"type": "string", "enum": ["green", "red"], "description": "Of the lamp."},
        "count": {"type": "integer", "minimum": 1},
        "note": {"type": "string", "maxLength": 80},
        "express": {"type": "boolean"},
    },
}


def manifests() -> str:
    """Return an agent that asks for a lamp by a form, or for any text."""
    tools = {"choose_lamp": LAMP, "ask_customer": None}
    handlers = [
        {
            "name": name.replace("_", "-"),
            "type": "client",
            "tool": {
                "name": name,
                "description": "Asks the customer.",
                "inputSchema": {"type": "object", "properties": {"question": {"type": "string"}}},
                **({"outputSchema": schema} if schema else {}),
            },
            "clientConfig": {"consentMessage": f"{name}?"},
        }
        for name, schema in tools.items()
    ]
    calls = [
        {"contains": name, "tool_calls": [{"name": name, "arguments": {"question": "Which?"}}]}
        for name in tools
    ]
    heard = {"when": "tool_result", "contains": "", "content": "Heard: {{tool_result}}"}
    scenarios = {"default": {"matches": [heard, *calls]}}
    specs: list[tuple[str, str, dict[str, Any]]] = [
        ("Provider", "model", {"type": "mock", "mock": {"responses": {"scenarios": scenarios}}}),
        ("ToolRegistry", "tools", {"handlers": handlers}),
        (
            "AgentRuntime",
            "seller",
            {
                "prompt": {"system": "You sell lamps."},
                "providers": [{"name": "default", "providerRef": {"name": "model"}}],
                "toolRegistryRef": {"name": "tools"},
                "facade": {"type": "websocket", "port": free_port()},
            },
        ),
    ]
    return yaml.safe_dump_all(
        {
            "apiVersion": "omnia.altairalabs.ai/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        for kind, name, spec in specs
    )


@dataclass
class Pages:
    """Where the agent is talked to."""

    own: str
    hub: str


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    folder: Path = tmp_path_factory.mktemp("seller")
    (folder / "seller.yaml").write_text(manifests())
    with running_up(folder, "-f", str(folder / "seller.yaml")) as up:
        own = str(up.wait("ready", name="seller")["console"])
        yield Pages(own, f"{up.wait('serving')['hub']}#/a/default/seller")


def field(tab: Tab, text: str) -> str:
    """Return what finds the input with this label."""
    label = (
        "[...document.querySelectorAll('.tool label')]"
        f".find((each) => each.innerText.startsWith({text!r}))"
    )
    return f"#{tab.until(f'{label}.htmlFor')}"


def asked(tab: Tab, address: str, tool: str) -> None:
    """Have the agent ask, and wait for the form."""
    tab.open(address)
    tab.until_text("#state", "Connected")
    tab.say(tool)
    tab.until(f"document.querySelector('{LAST} .tool form')")
    assert f"{tool}?" in tab.text(f"{LAST} .tool")


@pytest.mark.parametrize("place", ["own", "hub"])
def test_a_result_is_given_by_the_fields_of_its_schema(tab: Tab, pages: Pages, place: str) -> None:
    asked(tab, getattr(pages, place), "choose_lamp")
    tab.until(f"({FOCUSED}).startsWith('colour')")
    form = tab.text(f"{LAST} .tool form")
    assert "colour enum required" in form
    assert "Of the lamp." in form
    assert "express boolean\n" in form
    tab.press("Tab")
    tab.send("Input.insertText", text="0")
    tab.press("Enter")
    # What is missing is said at its field, which has the focus.
    tab.until_text(f"{LAST} .tool .wrong:not([hidden])", "This is required.")
    tab.until(f"({FOCUSED}).startsWith('colour')")
    assert "This is out of range." in tab.text(f"{LAST} .tool")
    tab.choose(f"{LAST} .tool select", "red")
    tab.fill(field(tab, "count"), "2")
    tab.choose(field(tab, "express"), "true")
    tab.press("Enter")
    said = answered(tab).replace(" ", "").replace("\n", "")
    assert 'Heard:{"colour":"red","count":2,"express":true}' in said
    assert "done" in tab.text(f"{LAST} .tool summary")
    tab.until("document.activeElement.id === 'message'")


def test_without_a_schema_it_is_a_text_or_json(tab: Tab, pages: Pages) -> None:
    asked(tab, pages.own, "ask_customer")
    tab.until(f"({FOCUSED}).startsWith('Your answer')")
    tab.press("Enter")
    tab.until_text(f"{LAST} .tool .wrong:not([hidden])", "This is required.")
    tab.send("Input.insertText", text="green, please")
    tab.press("Enter")
    assert "Heard: green, please" in answered(tab)
    tab.say("ask_customer")
    tab.until(f"({FOCUSED}).startsWith('Your answer')")
    tab.click(f"{LAST} .tool form button[type=button]")
    tab.until(f"({FOCUSED}).startsWith('Your answer JSON')")
    tab.send("Input.insertText", text='["a", 1]')
    tab.click(f"{LAST} .tool button[type=submit]")
    assert 'Heard:["a",1]' in answered(tab, 2).replace(" ", "").replace("\n", "")


def test_who_writes_a_message_is_not_interrupted(tab: Tab, pages: Pages) -> None:
    tab.open(pages.own)
    tab.until_text("#state", "Connected")
    tab.say("ask_customer")
    tab.fill("#message", "meanwhile")
    tab.until(f"document.querySelector('{LAST} .tool form')")
    assert tab.value("document.getElementById('message').value") == "meanwhile"
    tab.press("Escape")
    answered(tab)


@pytest.mark.parametrize("tool", ["choose_lamp", "ask_customer"])
def test_everybody_can_answer(tab: Tab, pages: Pages, tool: str) -> None:
    needs_axe()
    asked(tab, pages.own, tool)
    tab.click(f"{LAST} .tool button[type=submit]")
    tab.until(f"document.querySelector('{LAST} .tool [aria-invalid=true]')")
    assert violations(tab) == []
    check(tab)
    tab.press("Escape")
