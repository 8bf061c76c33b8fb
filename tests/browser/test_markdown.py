"""Answers in Markdown: as nodes of the page, whatever they say and in whatever pieces they come."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.served import Served, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered
from tests.facade.scripted_runtime import Requests, ScriptedRuntime, chunk

# What a model, or who made it say so, may try.
ATTACKS = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<iframe src=https://evil.example></iframe>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "[a](//evil.example)",
    "[a](/api/agent)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![a](https://evil.example/x.png)",
    "![a](javascript:alert(1))",
    '```"><script>alert(1)</script>\nx\n```',
)

DOCUMENT = """# Orders

Two of them are **late**, *one* is `lost`, and ~~none~~ some
came with [a note](https://example.com/note).

| order | item |
|:------|-----:|
| A-1   | desk |

3. third
4. fourth
   - within

> quoted

```py
def f(x):
    return x * 2
```

Copyright &copy; and &#8364;, defined [below][b].

[b]: https://example.com/below
"""


class PiecesRuntime(ScriptedRuntime):
    """Says what is asked for, in pieces of a given length: `{"size": 7, "text": …}`."""

    async def _turn(
        self,
        request: pb.ClientMessage,
        requests: Requests,  # noqa: ARG002 - as the other scripts have it
        context: Any,  # noqa: ARG002 - likewise
    ) -> AsyncIterator[pb.ServerMessage]:
        asked = json.loads(request.content)
        text, size = asked["text"], asked["size"]
        for at in range(0, len(text), size):
            yield chunk(text[at : at + size])
        yield pb.ServerMessage(done=pb.Done(finish_reason="stop"))


@pytest.fixture(scope="module")
def pieces() -> Iterator[Served]:
    with served(PiecesRuntime()) as found:
        yield found


def said(tab: Tab, count: int, text: str, size: int = 10_000) -> str:
    """Let the agent say a text; return the nodes of its answer."""
    tab.say(json.dumps({"text": text, "size": size}))
    answered(tab, count)
    return str(tab.value("[...document.querySelectorAll('.text')].at(-1).innerHTML"))


def test_a_document_is_the_same_nodes_in_whatever_pieces_it_comes(tab: Tab, pieces: Served) -> None:
    tab.open(pieces.page)
    tab.until_text("#state", "Connected")
    whole = said(tab, 1, DOCUMENT)
    for count, size in enumerate((1, 7, 40, 400), 2):
        assert said(tab, count, DOCUMENT, size) == whole
    assert "<h3>Orders</h3>" in whole
    assert "<strong>late</strong>" in whole
    assert "<s>none</s>" in whole
    assert '<td data-align="right">desk</td>' in whole
    assert '<ol start="3">' in whole
    assert "<blockquote>" in whole
    assert "© and €" in whole
    answer = "[...document.querySelectorAll('.text')].at(-1)"
    links = f"[...{answer}.querySelectorAll('a')].map((each) => [each.href, each.rel])"
    safe = "noreferrer noopener"
    assert tab.value(links) == [
        ["https://example.com/note", safe],
        ["https://example.com/below", safe],
    ]
    assert tab.value(f"{answer}.querySelector('pre').textContent").startswith("def f(x):\n    ret")


def test_nothing_that_an_answer_says_acts(tab: Tab, pieces: Served) -> None:
    tab.open(pieces.page)
    tab.until_text("#state", "Connected")
    for count, attack in enumerate(ATTACKS, 1):
        said(tab, count, attack)
    allowed = {"A", "CODE", "DIV", "P", "PRE", "SPAN", "BUTTON"}
    names = "[...new Set([...document.querySelectorAll('.text *')].map((each) => each.tagName))]"
    assert set(tab.value(names)) <= allowed
    links = "[...document.querySelectorAll('.text [href]')].map((each) => each.href)"
    # The picture of elsewhere is a link; nothing else became one.
    assert tab.value(links) == ["https://evil.example/x.png"]
    attributes = (
        "[...document.querySelectorAll('.text *')]"
        ".flatMap((each) => each.getAttributeNames().filter((name) => name.startsWith('on')))"
    )
    assert tab.value(attributes) == []
    # That no request went elsewhere, and that no rule was broken, is the tab's own check.
    assert tab.value("document.title") == "guide · Omnia"


def test_long_lists_and_tables_are_whole_for_assistive_technology(tab: Tab, pieces: Served) -> None:
    numbers = "".join(f"{number}. item\n" for number in range(7, 257))
    rows = "".join(f"| row {number} | b |\n" for number in range(250))
    tab.open(pieces.page)
    tab.until_text("#state", "Connected")
    said(tab, 1, f"{numbers}\n| a | b |\n|---|--:|\n{rows}", 400)
    # The parts of a list go on with its numbers; those of a table are bodies of one table.
    lists = "[...document.querySelectorAll('.text ol')]"
    parts = f"{lists}.map((each) => [each.start, each.children.length])"
    assert tab.value(parts) == [[7, 100], [107, 100], [207, 50]]
    bodies = "[...document.querySelector('.text table').tBodies].map((each) => each.rows.length)"
    assert tab.value(bodies) == [100, 100, 50]
    roles = Counter(
        node["role"]["value"]
        for node in tab.send("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"]
    )
    # The page has a list of its own.
    assert roles["listitem"] >= 250
    found = {role: roles[role] for role in ("table", "row", "columnheader", "cell")}
    assert found == {"table": 1, "row": 251, "columnheader": 2, "cell": 500}


HOSTILE = {
    "quotes": "> " * 3000 + "deep",
    "lists": "".join(f"{'  ' * n}- {n}\n" for n in range(400)),
    "emphasis": "_a" * 10_000,
    "strong": "a**b" * 10_000,
    "brackets": "[" * 10_000,
    "code": "`" * 9_999,
    "table": "|a" * 5_000 + "|\n" + "|-" * 5_000 + "|\n",
    "pictures": "![" * 10_000,
    "links": "[a](" * 10_000,
    "strikethrough": "~~a" * 10_000,
    "markup": "<a" * 10_000,
    "runs of backticks": "".join(f"a{'`' * n}" for n in range(1, 300)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_shown_and_the_page_goes_on(tab: Tab, pieces: Served, text: str) -> None:
    tab.open(pieces.page)
    tab.until_text("#state", "Connected")
    said(tab, 1, text)
    assert said(tab, 2, "still **here**").startswith("<p>still <strong>here</strong>")
