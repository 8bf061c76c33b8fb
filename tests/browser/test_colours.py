"""The colours of the page: as the system, or as was chosen on this device."""

from pathlib import Path

import pytest

from tests.browser.accessibility import needs_axe, violations
from tests.browser.served import Served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import opened
from tests.browser.test_function_page import ORDER, function

GROUND = "getComputedStyle(document.body).backgroundColor"
NAME = "document.getElementById('colours').ariaLabel"
LIGHT, DARK = "rgb(246, 246, 248)", "rgb(18, 18, 22)"


def chosen(tab: Tab, name: str) -> None:
    """Press the button and wait for what it is called then."""
    tab.click("#colours")
    tab.until(f"{NAME} === 'Colours: {name}'")


def test_the_button_goes_from_the_system_to_light_to_dark(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.prefer("dark")
    tab.becomes(f"[{NAME}, {GROUND}]", ["Colours: as the system", DARK])
    chosen(tab, "light")
    tab.becomes(GROUND, LIGHT)
    tab.prefer("light")
    chosen(tab, "dark")
    tab.becomes(GROUND, DARK)
    chosen(tab, "as the system")
    tab.becomes(GROUND, LIGHT)


def test_the_choice_is_kept_and_there_before_anything_is_drawn(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.prefer("light")
    chosen(tab, "light")
    chosen(tab, "dark")
    # What the body has when the parser has just made it, before the script of the page runs.
    look = f"""
      new MutationObserver((_, observer) => {{
        if (!document.body) return;
        window.began = [{GROUND}, document.body.childElementCount];
        observer.disconnect();
      }}).observe(document, {{ childList: true, subtree: true }});
    """
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=look)
    tab.send("Page.reload")
    tab.until_text("#state", "Connected")
    assert tab.value("window.began")[0] == DARK
    assert tab.value(NAME) == "Colours: dark"


@pytest.mark.parametrize("system", ["light", "dark"])
def test_each_choice_is_readable_whatever_the_system_has(
    tab: Tab, tmp_path: Path, system: str
) -> None:
    needs_axe()
    with function(tmp_path, ORDER) as served:
        tab.open(served.page)
        tab.until_text("#state", "Ready")
        tab.prefer(system)
        for name in ("light", "dark"):
            chosen(tab, name)
            assert violations(tab) == []


def test_forced_colours_win(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    chosen(tab, "light")
    tab.send(
        "Emulation.setEmulatedMedia",
        features=[
            {"name": "forced-colors", "value": "active"},
            {"name": "prefers-color-scheme", "value": "dark"},
        ],
    )
    canvas = "getComputedStyle(document.querySelector('.box')).backgroundColor"
    system = """(() => {
      const made = document.body.appendChild(document.createElement('i'));
      made.style.color = 'Canvas';
      return getComputedStyle(made).color;
    })()"""
    assert tab.value(canvas) == tab.value(system)
    assert tab.value("getComputedStyle(document.querySelector('.box')).borderTopWidth") == "1px"
