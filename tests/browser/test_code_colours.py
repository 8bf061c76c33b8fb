"""Code in colours: ranges, not nodes; the same however the code arrives."""

# ruff: noqa: ARG002 - the methods are those of the scripted runtime

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.served import MARKUP, PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened
from tests.facade.scripted_runtime import Requests, chunk, done

# What is coloured, by its kind.
COLOURED = """Object.fromEntries([...CSS.highlights].map(([kind, ranges]) => [kind,
  [...ranges].map((each) => each.startContainer.data.slice(each.startOffset, each.endOffset))]))"""
PYTHON = '''\
# A shop, isn't it?
def price(of: str) -> float:
    """Not for free."""
    return 2.50 if of == 'desk\\'s' else 0x1F  # both
'''
FOUND = {
    "comment": ["# A shop, isn't it?", "# both"],
    "string": ['"""Not for free."""', "'desk\\'s'"],
    "number": ["2.50", "0x1F"],
    "word": ["def", "return", "if", "else"],
}


def fenced(language: str, code: str) -> str:
    return f"```{language}\n{code}\n```"


class Pieces(PageRuntime):
    """Says what it hears, so many characters at a time: "3 text"."""

    async def _turn(
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        length, _, text = request.content.partition(" ")
        for at in range(0, len(text), int(length)):
            yield chunk(text[at : at + int(length)])
        yield done(text)


class Endless(PageRuntime):
    """Says what it hears and does not end."""

    async def _turn(
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        yield chunk(request.content)
        async for message in requests:
            if message.cancel:
                yield done(request.content, "cancelled")
                return


@pytest.mark.parametrize("length", [1, 7, 400])
def test_code_has_the_same_colours_however_it_arrives(tab: Tab, length: int) -> None:
    with served(Pieces()) as agent:
        opened(tab, agent)
        tab.say(f"{length} {fenced('py', PYTHON)}")
        answered(tab)
        assert tab.value(COLOURED) == FOUND
        code = "document.querySelector('.codebox code')"
        assert tab.value(f"{code}.textContent").strip() == PYTHON.strip()
        assert tab.value(f"{code}.childElementCount") == 0


def test_code_is_coloured_while_it_grows(tab: Tab) -> None:
    with served(Endless()) as endless:
        opened(tab, endless)
        tab.say(fenced("go", "func main() {\n").removesuffix("```"))
        tab.until(f"({COLOURED}).word?.includes('func')")
        assert tab.value("document.querySelector('[aria-busy=true] .codebox') !== null")
        tab.press("Escape")
        answered(tab)


@pytest.mark.parametrize(
    ("language", "code", "found"),
    [
        (
            "ts",
            "const a = `x\n${1}` // one",
            {"word": ["const"], "string": ["`x\n${1}`"], "comment": ["// one"]},
        ),
        ("go", "func f() { return 'x' }", {"word": ["func", "return"], "string": ["'x'"]}),
        ("rust", "fn f<'a>(x: &'a str) {} /* y */", {"word": ["fn"], "comment": ["/* y */"]}),
        ("java", "public class A { int x = 1_0; }", {"word": ["public", "class", "int"]}),
        ("sh", "echo a#b # c", {"comment": ["# c"]}),
        ("SQL", "SELECT 'it' -- all", {"word": ["SELECT"], "string": ["'it'"]}),
        ("yaml", 'a: true # isn\'t "b"', {"word": ["true"], "comment": ['# isn\'t "b"']}),
        ("nothing", "if 1 'x'", {}),
        ("html", MARKUP, {}),
    ],
)
def test_each_language_has_its_words(
    tab: Tab, agent: Served, language: str, code: str, found: dict[str, list[str]]
) -> None:
    opened(tab, agent)
    tab.say(f"see:\n{fenced(language, code)}")
    answered(tab)
    coloured = tab.value(COLOURED)
    assert {kind: coloured[kind] for kind in found} == found
    if not found:
        assert not any(coloured.values())


def test_colours_end_with_their_text(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    tab.say(f"see:\n{fenced('py', 'import one')}")
    answered(tab)
    tab.click("#new")
    tab.until_text("#log", "Talk to guide")
    tab.say(f"see:\n{fenced('py', 'if two')}")
    answered(tab)
    assert tab.value(COLOURED)["word"] == ["if"]


def test_code_is_plain_where_a_browser_has_no_highlights(tab: Tab, agent: Served) -> None:
    source = "Object.defineProperty(CSS, 'highlights', { value: undefined })"
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=source)
    opened(tab, agent)
    assert tab.value("CSS.highlights === undefined")
    tab.say(f"see:\n{fenced('py', PYTHON)}")
    answered(tab)
    assert "Not for free" in tab.text(".codebox code")


def test_hostile_code_does_not_hold_the_page(tab: Tab, agent: Served) -> None:
    opened(tab, agent)
    for code in ("'" * 20_000, "/*" * 20_000, "`" * 9_999, '"\\' * 20_000, "0x_" * 20_000):
        tab.value(f"document.getElementById('message').value = {json.dumps(fenced('js', code))}")
        count = int(tab.value("document.querySelectorAll('.message.agent').length"))
        tab.press("Enter")
        answered(tab, count + 1)
