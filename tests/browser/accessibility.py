"""What axe-core finds in a page: rules of WCAG and of good practice."""

import json
import os
from pathlib import Path

import pytest

from tests.browser.tab import Tab

AXE = Path(__file__).parents[1] / "docs/node/node_modules/axe-core/axe.min.js"


def needs_axe() -> None:
    """Skip, or fail in CI, where axe-core has not been installed."""
    if not AXE.exists():
        reason = "axe-core is missing; install it: make test"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def violations(tab: Tab) -> list[object]:
    """Return each broken rule, with what it asks for and where it is broken."""
    tab.value(AXE.read_text(encoding="utf-8") + "; true")
    # It takes longer than one call of the browser may.
    tab.value(
        "window.found = null;"
        " axe.run().then((found) => { window.found = JSON.stringify(found.violations.map((each) =>"
        " [each.id, each.help, each.nodes.map((node) => node.html.slice(0, 200))])); }); true"
    )
    found: list[object] = json.loads(tab.until("window.found"))
    return found
