"""The code blocks of the pages, and the comments before them that say how each is tested.

A comment stands on the line before a block. A reader of the page does not see it:

    <!-- file: PATH -->     the block is written to this file, seen from the page's folder
    <!-- fails: TEXT -->    its last command fails, and its errors contain the text
    <!-- until: TEXT -->    its last command is typed again until it prints the text
    <!-- run by: tests/FILE.py::TEST -->
    <!-- not run: REASON -->
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.site.navigation import PAGES as PATTERNS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {
        page
        for pattern in PATTERNS
        for page in ROOT.glob(pattern.replace("**.md", "**/*.md"))
        if "site" not in page.relative_to(ROOT / "docs" if "docs" in page.parts else ROOT).parts
    }
)
# Output, addresses and drawings: nothing that a reader could type.
TEXTS = frozenset({"", "text", "mermaid"})
_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<kind>file|fails|until|run by|not run): (?P<value>[^\n]*?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, line, language and text, the heading above it, and its comment."""

    page: Path
    line: int
    heading: str
    language: str
    text: str
    kind: str = ""
    value: str = ""

    @property
    def name(self) -> str:
        """Where the block is, as a person looks for it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """The command lines of a console block, each with the lines that it should print."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif found:
                found[-1][1].append(line)
        return found


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        before = text[: found.start()]
        headings = re.findall(
            r"^#+ (.+)$", re.sub(r"```.*?```", "", before, flags=re.DOTALL), re.MULTILINE
        )
        lines = found["text"].splitlines(keepends=True)
        yield Block(
            page,
            text[: found.start("language")].count("\n") + 1,
            headings[-1] if headings else "",
            found["language"],
            "".join(line.removeprefix(found["indent"]) for line in lines),
            found["kind"] or "",
            found["value"] or "",
        )
