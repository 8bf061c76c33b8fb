"""Draws the Mermaid diagrams of the pages: `python -m tests.docs.drawing`.

The site shows the drawings, so that neither a build nor a reader needs Mermaid.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from docs.site.picture_names import PICTURES, picture_name
from tests.browser.chromium import Chromium, chromium, headless
from tests.browser.tab import Tab

ROOT = Path(__file__).parents[2]
MERMAID = ROOT / "tests/docs/node/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
# Colours come from the style sheet of the site, which knows light and dark.
_SETTINGS = """{
    startOnLoad: false, theme: "neutral", securityLevel: "strict", htmlLabels: false,
    fontFamily: "sans-serif", deterministicIds: true,
    flowchart: {htmlLabels: false, wrappingWidth: 300},
}"""


def diagrams() -> Iterator[tuple[Path, str]]:
    """Yield every Mermaid text of the pages, with its page."""
    for page in sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")}):
        for text in re.findall(
            r"^```mermaid\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            yield page, text.strip()


@contextmanager
def mermaid(browser: Chromium) -> Iterator[Tab]:
    """Open a tab with Mermaid in it: to load that takes longer than to draw."""
    with browser.target() as session:
        tab = Tab(browser, session)
        tab.value(MERMAID.read_text(encoding="utf-8") + "; true")
        tab.value(f"mermaid.initialize({_SETTINGS}); true")
        yield tab


def draw(tab: Tab, text: str) -> str:
    """Return a Mermaid text as an SVG document."""
    name = picture_name(text).removesuffix(".svg")
    tab.send("Runtime.evaluate", expression=f"window.text = {_quoted(text)}")
    return str(tab.value(f"mermaid.render('p{name}', window.text).then((drawn) => drawn.svg)"))


def _quoted(text: str) -> str:
    return "`" + re.sub(r"([`\\$])", r"\\\1", text) + "`"


def main() -> int:
    """Draw what has no picture yet (`--all`: everything); remove what no page shows."""
    program = headless()
    if program is None or not MERMAID.exists():
        sys.stderr.write("drawing needs chromium and the packages of tests/docs/node\n")
        return 1
    wanted = {picture_name(text): text for _, text in diagrams()}
    for file in PICTURES.glob("*.svg"):
        if file.name not in wanted or "--all" in sys.argv:
            file.unlink()
    with ExitStack() as stack:
        profile = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tab = stack.enter_context(mermaid(stack.enter_context(chromium(program, profile))))
        for name, text in wanted.items():
            if not (PICTURES / name).exists():
                (PICTURES / name).write_text(draw(tab, text) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
