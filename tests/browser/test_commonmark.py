"""The examples of the CommonMark specification, drawn by the page as the specification has them."""

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.browser.tab import Tab

SPECIFICATION = Path(__file__).parents[1] / "docs/node/node_modules/commonmark-spec/spec.txt"
ENTRY = """
import { Answer } from "./markdown/answer";

const drawn = (text: string): string => {
  const root = document.createElement("div");
  new Answer(root).end(text);
  for (const box of root.querySelectorAll(".codebox")) box.replaceWith(box.querySelector("pre")!);
  return root.innerHTML;
};

// The nodes of a text that comes in pieces: at the last of them, and when the answer has ended.
const pieces = (text: string, size: number): [last: string, ended: string] => {
  const root = document.createElement("div");
  const answer = new Answer(root);
  for (let end = size; end < text.length + size; end += size) answer.draw(text.slice(0, end));
  const last = root.innerHTML;
  answer.end(text);
  return [last, root.innerHTML];
};

Object.assign(globalThis, { drawn, pieces });
"""
_EXAMPLE = re.compile(
    r"^`{32} example\n(?P<text>[\s\S]*?)^\.\n(?P<html>[\s\S]*?)^`{32}$|^(?P<section>#{1,6} .*)$",
    re.MULTILINE,
)
# Markup is text here: an answer never becomes markup.
_MARKUP = ("## HTML blocks", "## Raw HTML")
# Names of HTML 5 that HTML 4 has not: `entities.ts`.
_FURTHER_NAMES = ("&HilbertSpace;", "&ngE;")
_VOID = {"br", "hr", "img"}
_HEADINGS = {f"h{level}": f"h{min(level + 2, 6)}" for level in range(1, 7)}


class _Outline(HTMLParser):
    """The elements and texts of HTML without links and pictures, whose rules are the page's."""

    def __init__(self, *, moved: bool) -> None:
        """`moved`: whether headings are below those of the page already."""
        super().__init__()
        self._moved = moved
        self.found: list[str] = []

    def _add(self, piece: str) -> None:
        self.found.append(piece)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self._add(dict(attrs).get("alt") or "picture")
        elif tag not in ("a", "span"):
            start = dict(attrs).get("start") if tag == "ol" else None
            self._add(f"<{self._name(tag)}{f' {start}' if start else ''}>")

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("a", "span") and tag not in _VOID:
            self._add(f"</{self._name(tag)}>")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def _name(self, tag: str) -> str:
        return tag if self._moved else _HEADINGS.get(tag, tag)


def outline(html: str, *, moved: bool) -> str:
    reader = _Outline(moved=moved)
    reader.feed(html)
    reader.close()
    text = "".join(reader.found)
    # White space between and at the edges of elements is not seen.
    text = re.sub(r"\s*(</?(?:p|ul|ol|li|blockquote|h\d|hr|br|pre)\b[^>]*>)\s*", r"\1", text)
    return re.sub(r"\s+(</code>)", r"\1", text).strip()


def examples() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    section = ""
    for each in _EXAMPLE.finditer(SPECIFICATION.read_text(encoding="utf-8")):
        section = each["section"] or section
        text, html = ((each[part] or "").replace("→", "\t") for part in ("text", "html"))
        has_markup = section in _MARKUP or re.search(r"(?<!`)<[a-z/!?][^:@>]*>", text)
        if text and not has_markup and not any(name in text for name in _FURTHER_NAMES):
            found.append((text, html))
    return found


@pytest.fixture
def drawing(tab: Tab, console_source: Path) -> Tab:
    (console_source / "agent.tsx").write_text(ENTRY, encoding="utf-8")
    command = ["npm", "run", "--silent", "build"]
    done = subprocess.run(command, cwd=console_source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (console_source.parent / "agent.html").read_text(encoding="utf-8")
    script = page.partition('<script type="module">')[2].partition("</script>")[0]
    tab.value(f"{script}; true")
    return tab


def test_the_examples_of_the_specification_are_drawn_as_it_has_them(drawing: Tab) -> None:
    wanted = examples()
    # Of 652 examples these have no markup of their own.
    assert len(wanted) > 500
    texts = json.dumps([text for text, _ in wanted])
    drawn: list[Any] = drawing.value(f"{texts}.map(drawn)")
    outlines = [
        (text, outline(found, moved=True), outline(html, moved=False))
        for (text, html), found in zip(wanted, drawn, strict=True)
    ]
    assert [each for each in outlines if each[1] != each[2]] == []


def test_most_examples_look_as_at_the_end_while_they_are_written(drawing: Tab) -> None:
    texts = json.dumps([text for text, _ in examples()])
    drawn: list[tuple[str, str]] = drawing.value(f"{texts}.map((text) => pieces(text, 1))")
    same = sum(last == ended for last, ended in drawn)
    # The others have a definition, or a mark of a block, after what it changes.
    assert same > 0.9 * len(drawn), f"{same} of {len(drawn)}"


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.deferred(
            lambda: st.sampled_from([text for text, _ in examples()]) | st.text(max_size=20)
        ),
        max_size=6,
    ),
    st.sampled_from(["", "\n", "\n\n"]),
)
def test_a_text_is_the_same_nodes_in_whatever_pieces_it_comes(
    drawing: Tab, texts: list[str], between: str
) -> None:
    text = json.dumps(between.join(texts))
    for size in (1, 7, 400):
        whole = f"pieces({text}, Infinity)[1]"
        assert drawing.value(f"pieces({text}, {size})[1] === {whole}"), f"in pieces of {size}"
