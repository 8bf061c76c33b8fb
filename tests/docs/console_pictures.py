"""Takes the pictures of the console that the pages show: `python -m tests.docs.console_pictures`.

Each is a state that a browser reaches in the page of `omnia up` on two examples, with the mock
provider. `make pictures` takes them; a test reaches the same states.
"""

import base64
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.site.picture_names import PICTURES
from tests.browser.chromium import Chromium, chromium, headless
from tests.browser.tab import Tab
from tests.end_to_end.conftest import EXAMPLES, running_up, with_port
from tests.services import free_port

SHOWN = ("support-agent", "summarizer-function", "rollout-agent")
WIDTH, HEIGHT = 1280, 800


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the examples; yield the address of the console."""
    options: list[str] = []
    for name in SHOWN:
        shutil.copytree(EXAMPLES / name, folder / name)
        for file in (folder / name).glob("*.yaml"):
            if "kind: AgentRuntime" in (text := file.read_text()):
                file.write_text(with_port(text, free_port()))
        options += ["-f", str(folder / name)]
    with running_up(folder, *options) as up:
        for name in SHOWN:
            up.wait("ready", name=name)
        found: dict[str, Any] = up.wait("serving")
        yield str(found["hub"])


def states(tab: Tab, hub: str) -> Iterator[str]:
    """Reach one state after another; yield its name when it is shown."""
    agent = f"{hub}#/a/default/support-agent"
    tab.open(agent)
    tab.until_text(".start h2", "orders of a shop")
    yield "start"
    tab.click(".questions li:nth-child(1) button")
    tab.until("document.querySelector('.facts .copy')")
    tab.say("And where is order Z-9?")
    tab.until("document.querySelectorAll('.facts .copy').length === 2")
    # What is recorded of a turn comes after its answer.
    tab.until("document.querySelectorAll('.steps li:last-child').length === 2")
    tab.until(
        "[...document.querySelectorAll('.steps')].every((e) => e.innerText.includes('default'))"
    )
    tab.click(".message.agent .steps li:nth-child(2) button")
    tab.until("document.querySelector('#inspector .detail')")
    yield "turn"
    session = str(tab.value("location.hash")).split("/t/")[0]
    tab.open(f"{hub}{session}/about")
    tab.until_text("#inspector", "You help the customers of")
    yield "agent"
    tab.open(f"{agent}/compare?a=&b=1.0.0")
    tab.until("document.querySelectorAll('.lanes form').length === 2")
    tab.say("Where is order A-1002?")
    tab.until("document.querySelector('.difference')?.innerText.includes('over 1 answer')")
    yield "compare"
    tab.open(f"{hub}#/history")
    tab.until_text("main", "4 turns")
    yield "history"
    tab.open(f"{hub}#/")
    tab.until_text("main", "summarizer-function")
    yield "agents"


def sized(tab: Tab) -> None:
    """Give the page the size of the pictures."""
    tab.send(
        "Emulation.setDeviceMetricsOverride",
        width=WIDTH,
        height=HEIGHT,
        deviceScaleFactor=1,
        mobile=False,
    )


def picture(tab: Tab) -> bytes:
    """Return what is shown, as PNG."""
    return base64.b64decode(tab.send("Page.captureScreenshot")["data"])


def take(browser: Chromium, folder: Path) -> None:
    """Write every picture."""
    with contextlib.ExitStack() as stack:
        # The page shows the name of the folder.
        shop = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "shop"
        shop.mkdir()
        hub, session = stack.enter_context(served(shop)), stack.enter_context(browser.target())
        tab = Tab(browser, session)
        sized(tab)
        for name in states(tab, hub):
            (folder / f"console-{name}.png").write_bytes(picture(tab))


def main() -> int:
    program = headless()
    if program is None:
        sys.stderr.write("pictures of the console need chromium\n")
        return 1
    with tempfile.TemporaryDirectory() as profile, chromium(program, Path(profile)) as browser:
        take(browser, PICTURES)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
