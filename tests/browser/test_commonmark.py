"""The examples of the CommonMark specification, drawn by the page as the specification has them."""

import json
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.browser.conftest import copied_source
from tests.browser.tab import Tab

SPECIFICATION = Path(__file__).parents[1] / "docs/node/node_modules/commonmark-spec/spec.txt"
ENTRY = """
import { Answer } from "./markdown/answer";
import { build, divide } from "./markdown/nodes";
import { blocksOf, withInlines } from "./markdown/parser";

// How much is drawn at once does not depend on the machine.
let looks = 0;
performance.now = () => (looks += 1);

const within = (draw: (root: Element) => void): string => {
  const root = document.createElement("div");
  draw(root);
  return root.innerHTML;
};

// The nodes of a text that is read at once.
const whole = (text: string): string =>
  within((root) => {
    const references = {};
    build(withInlines(blocksOf(text, references), references), root);
    for (const each of [...root.childNodes]) divide(each);
  });

const drawn = (text: string): string =>
  within((root) => {
    const answer = new Answer(root);
    while (answer.draw(text, true));
    for (const box of root.querySelectorAll(".codebox")) box.replaceWith(box.querySelector("pre")!);
  });

// The nodes of a text that comes in pieces, of which so many characters are read together: at the
// last of them, and when the answer has ended.
const pieces = (text: string, size: number, together?: number): [last: string, ended: string] => {
  const root = document.createElement("div");
  const answer = new Answer(root, together);
  for (let end = size; end < text.length + size; end += size) {
    while (answer.draw(text.slice(0, end), false));
  }
  const last = root.innerHTML;
  while (answer.draw(text, true));
  return [last, root.innerHTML];
};

const differing = (texts: string[], sizes: [size: number, together?: number][]): unknown[] =>
  texts.flatMap((text) => {
    const wanted = whole(text);
    const ended = (size: number, together?: number) => pieces(text, size || Infinity, together)[1];
    return sizes
      .map(([size, together]) => [text, size, together, ended(size, together), wanted])
      .filter((each) => each.at(-2) !== wanted);
  });

Object.assign(globalThis, { Answer, drawn, pieces, differing });
"""
# How many characters come together, and how many are read together at first; 0: all of them.
SIZES = [[1, 1], [7, 1], [3, 8], [40, 20], [400, 2000], [0, 1]]
# What changes what is before it, or looks as if it did.
LINES = (
    *(
        "- a",
        "- ",
        "-",
        "* c",
        "1. d",
        "2. e",
        "2) f",
        "10. v",
        "  - n",
        "    - o",
        "- - x",
        "\t- t",
    ),
    *(
        "  g",
        "    h",
        "     i",
        "- > z",
        "- ```",
        "- # h",
        "  [b]: /y",
        "- [d]: /z",
        "",
        "",
        "",
        " ",
    ),
    *("| a | b |", "|---|:-:|", "a|b", "-|-", "  --|--", "- a | b", "  | - | -", "|", "x | y | z"),
    *("[a]: /x", "[b]:", "[c", "]: /c", "[a] and [b] [c] [d]", "'title", "title'", "    'code'"),
    *(
        "word",
        "*em",
        "em*",
        "`co",
        "de`",
        "# h",
        "#",
        "---",
        "===",
        "> q",
        ">",
        "> - r",
        "```",
        "\\",
    ),
)
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


@pytest.fixture(scope="module")
def script(
    need_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """What reads and draws Markdown, as one script."""
    source = copied_source(need_program, tmp_path_factory.mktemp("markdown"))
    (source / "agent.tsx").write_text(ENTRY, encoding="utf-8")
    command = ["npm", "run", "--silent", "build"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (source.parent / "agent.html").read_text(encoding="utf-8")
    return page.partition('<script type="module">')[2].partition("</script>")[0]


@pytest.fixture
def drawing(tab: Tab, script: str) -> Tab:
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


def test_the_examples_are_the_same_nodes_in_whatever_pieces_they_come(drawing: Tab) -> None:
    texts = json.dumps([text for text, _ in examples()])
    assert drawing.value(f"differing({texts}, {SIZES})") == []


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(LINES)
        | st.deferred(lambda: st.sampled_from([text for text, _ in examples()]))
        | st.text(max_size=20),
        max_size=14,
    ),
    st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
    st.sampled_from(["", "\n"]),
)
def test_a_text_is_the_same_nodes_in_whatever_pieces_it_comes(
    drawing: Tab, lines: list[str], between: str, end: str
) -> None:
    text = json.dumps([between.join(lines) + end])
    assert drawing.value(f"differing({text}, {SIZES})") == []


_ITEMS = "".join(f"- the *item* {number}\n" for number in range(250))
_ROWS = "".join(f"| row {number} | b |\n" for number in range(250))
_TABLE = f"| a | b |\n|---|--:|\n{_ROWS}"
LONG = {
    "a list": _ITEMS,
    "a list of exactly two parts": _ITEMS[: _ITEMS.index("- the *item* 200")],
    "a list whose last item is loose": f"{_ITEMS}\n- last\n",
    "a list whose last item has two paragraphs": f"{_ITEMS}- last\n\n  of all\n",
    "a list with a blank line in the middle": f"{_ITEMS}\n{_ITEMS}",
    "a list with code": _ITEMS + "- ```py\n  if x\n  ```\n" + _ITEMS,
    "numbers": "".join(f"{number}. item\n" for number in range(7, 300)),
    "numbers in another form": "before\n\n" + "".join("1) item\n   - within\n" for _ in range(300)),
    "two lists": _ITEMS + _ITEMS.replace("-", "*"),
    "lazy continuation": _ITEMS + "goes on\n" + _ITEMS + "\nafter",
    "items that look like a table": "- a | b\n-|-\n" * 150,
    "a table": _TABLE,
    "a table after a paragraph": f"before\n{_TABLE}after\n\n{_TABLE}",
    "a table of exactly two parts": _TABLE[: _TABLE.index("| row 200 ")],
    "definitions at the end": f"[a] and [b]\n\n{_ITEMS}- [a]\n\n{_TABLE}| [b] | |\n\n[a]: https://a.example\n"
    "[b]:\nhttps://b.example\n",
    "a definition in an item": f"[a]\n\n{_ITEMS}- [a]: https://a.example\n{_ITEMS}",
    "more cells than a table completes": "|a" * 500 + "|\n" + "|-" * 500 + "|\n" + "|b|\n" * 140,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_long_lists_and_tables_are_the_same_nodes_in_whatever_pieces_they_come(
    drawing: Tab, text: str
) -> None:
    sizes = [[997, 500], [0, 1], [0, 2000]]
    found = drawing.value(f"differing({json.dumps([text])}, {sizes}).map((each) => each.slice(1))")
    assert found == []


@pytest.mark.parametrize("text", [_ITEMS, _TABLE], ids=["a list", "a table"])
def test_what_is_final_is_not_drawn_again(drawing: Tab, text: str) -> None:
    of = json.dumps(text)
    kept = f"""(() => {{
      const root = document.createElement("div");
      // So many characters are read together that the first half is not all of it.
      const answer = new Answer(root, 500);
      const text = {of};
      while (answer.draw(text.slice(0, text.length / 2), false));
      const lines = () => [...root.querySelectorAll("li, tbody tr")];
      const before = lines().slice(0, 50);
      // A node that is compared with what was read again would lose this.
      for (const each of before) each.dataset.seen = "";
      while (answer.draw(text, true));
      const isKept = (each, at) => each === lines()[at] && "seen" in each.dataset;
      return [before.every(isKept), lines().length];
    }})()"""
    assert drawing.value(kept) == [True, 250]


def test_a_long_answer_is_drawn_in_several_steps(drawing: Tab) -> None:
    steps = f"""(() => {{
      const answer = new Answer(document.createElement("div"));
      return answer.draw({json.dumps(_ITEMS * 40)}, true);
    }})()"""
    assert drawing.value(steps) is True


def test_another_text_replaces_what_was_drawn(drawing: Tab) -> None:
    replaced = f"""(() => {{
      const root = document.createElement("div");
      const answer = new Answer(root);
      for (const text of {json.dumps([_ITEMS, "- one", _TABLE, "two"])}) {{
        while (answer.draw(text, true));
      }}
      return root.innerHTML;
    }})()"""
    assert drawing.value(replaced) == "<p>two</p>"


def test_code_that_grows_has_the_colours_of_the_whole(drawing: Tab) -> None:
    text = json.dumps("```py\na = 'in 5 if'\nb = 0x1F\n```\n")
    coloured = f"""(() => {{
      const text = {text};
      const said = (each) => each.startContainer.data.slice(each.startOffset, each.endOffset);
      const seen = new Set();
      for (let first = 1; first < text.length; first += 1) for (const step of [1, 2, 3, 5]) {{
        const root = document.body.appendChild(document.createElement("div"));
        const answer = new Answer(root);
        for (let end = first; end <= text.length; end += step) {{
          while (answer.draw(text.slice(0, end), false));
        }}
        while (answer.draw(text, true));
        const found = [...CSS.highlights.values()].map((ranges) => [...ranges].map(said));
        seen.add(JSON.stringify(found));
        root.remove();
      }}
      return [...seen];
    }})()"""
    assert [json.loads(each) for each in drawing.value(coloured)] == [
        [[], ["'in 5 if'"], ["0x1F"], []]
    ]
