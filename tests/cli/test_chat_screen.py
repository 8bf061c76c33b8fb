"""What `omnia chat` shows: blocks of Markdown, control characters, times and costs."""

import contextlib
import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from omnia_cli.chat.commands import COMMANDS, Commands
from omnia_cli.chat.conversation import Conversation
from omnia_cli.chat.markdown import Blocks, Rendered
from omnia_cli.chat.screen import LineScreen
from omnia_cli.chat.terminal import TerminalScreen
from omnia_cli.chat.turn import Turn, dollars, facts
from omnia_cli.control_characters import visible
from omnia_core.jsonvalue import JsonObject

# What a hostile answer is made of.
PIECES = st.sampled_from(
    [
        "\x1b]0;t\x07",
        "\x1b[2J",
        "\x9b1m",
        "\r",
        "\b",
        "\n",
        "\n\n",
        "```",
        "* ",
        "1. ",
        "> ",
        "| a |\n|---|\n",
        "[x](javascript:1)",
        "<https://a.example/%1b[2J%9b1m>",
        "&#27;[2J&#x9b;&#13;&Tab;",
        "![p](http://a/b)",
        "<b>",
        "**",
        "_",
        "`",
        "# ",
        "\u2028",
        "word ",
        "\t",
    ]
)
ANSWERS = st.lists(PIECES | st.text(max_size=5), max_size=60)


def shown(pieces: list[str], *, terminal: bool = True) -> str:
    """Return the bytes that a terminal gets for an answer in pieces."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=60, height=20, highlight=False)
    screen = TerminalScreen(console, "agent")
    screen.sent("hello")
    for piece in pieces:
        screen.receive({"type": "chunk", "content": piece})
    screen.receive({"type": "done", "content": "".join(pieces), "finish_reason": "stop"})
    screen.ended()
    return file.getvalue()


class _Window(io.StringIO):
    """The lines that a terminal shows after what Rich has written; colours are left out."""

    def lines(self) -> list[str]:
        shown, row = [""], 0
        for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if token == "\n":
                row += 1
                shown += [""] * (row + 1 - len(shown))
            elif token == "\x1b[1A":
                row -= 1
            elif token == "\x1b[2K":
                shown[row] = ""
            elif token[0] not in "\x1b\r":
                shown[row] += token
        return shown


def test_progress_that_is_drawn_often_writes_over_no_line(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("omnia_cli.chat.terminal.FRAMES_PER_SECOND", 20_000)
    monkeypatch.setattr("omnia_cli.chat.markdown.INTERVAL_SECONDS", 0)
    # Threads take turns within a print, as on a busy machine.
    switched = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(switched))
    sys.setswitchinterval(1e-6)
    window = _Window()
    console = Console(file=window, force_terminal=True, width=60, height=20, color_system=None)
    screen = TerminalScreen(console, "agent")
    names = [f"paragraph{number}" for number in range(300)]
    screen.sent("hello")
    for name in names:
        screen.receive({"type": "chunk", "content": f"{name}\n\nmore\n\n"})
    screen.receive({"type": "done", "content": "", "finish_reason": "stop"})

    shown = [line.rstrip() for line in window.lines()]
    assert [line for line in shown if line.startswith("paragraph")] == names


@pytest.mark.parametrize("plain", [False, True])
def test_an_error_says_what_to_do(*, plain: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, width=60, color_system=None)
    screen = LineScreen(console) if plain else TerminalScreen(console, "agent")
    details = {"title": "openai is asked too often.", "hint": "Wait 20 s.", "retryable": True}
    error: JsonObject = {"code": "AGENT_UNAVAILABLE", "message": "status 429"}
    screen.sent("hello")
    screen.receive({"type": "error", "error": error | {"details": details}})
    screen.receive({"type": "error", "error": error})
    screen.ended()
    said = " ".join(file.getvalue().split())
    assert said.count("openai is asked too often. Wait 20 s.") == 1
    assert said.count("status 429") == 2


@given(ANSWERS)
def test_no_answer_brings_a_control_character_to_the_terminal(pieces: list[str]) -> None:
    text = "".join(pieces)
    plain = io.StringIO()
    Console(file=plain, width=60, color_system=None).print(Rendered(visible(text)), end="")
    assert not [each for each in plain.getvalue() if ord(each) < 0x20 and each != "\n"]
    assert not [each for each in plain.getvalue() if 0x7F <= ord(each) < 0xA0]
    # With styles: colours of rich, and nothing of the answer's.
    styled = shown(pieces)
    assert not [each for each in styled if 0x7F <= ord(each) < 0xA0]
    assert "\x1b]" not in styled
    assert "\x1b[2J" not in styled


@given(ANSWERS, st.integers(1, 7))
def test_blocks_are_the_text_however_it_is_cut(pieces: list[str], size: int) -> None:
    text = visible("".join(pieces))
    now = iter(range(10_000))
    blocks = Blocks(clock=lambda: float(next(now)))
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    found = [block for piece in cut for block in blocks.take(piece)]
    assert "".join([*found, blocks.rest()]) == text


def test_a_block_is_shown_for_good_when_the_next_one_begins() -> None:
    now = iter(range(100))
    blocks = Blocks(clock=lambda: float(next(now)))
    assert [*blocks.take("# Title\n")] == []
    assert [*blocks.take("\nfirst\nline\n")] == ["# Title\n\n"]
    assert [*blocks.take("\n- one\n- two\n")] == ["first\nline\n\n"]
    assert blocks.rest() == "- one\n- two\n"


def test_an_address_that_is_decoded_moves_nothing() -> None:
    text = shown(["<https://a.example/%1b]0;owned%07%1b[2J> and &#27;[2J\n"])
    assert "\x1b]0;" not in text
    assert "\x1b[2J" not in text
    assert "a.example" in text


def test_links_show_where_they_lead_and_html_and_pictures_stay() -> None:
    text = shown(["[here](https://a.example/x) <b>bold</b> ![p](https://a.example/p.png)\n"])
    for part in ("https://a.example/x", "<b>bold</b>", "https://a.example/p.png"):
        assert part in text
    assert "\x1b]8;" not in text


@pytest.mark.parametrize(
    ("cost", "text"),
    [(0, ""), (0.000012, "$0.000012"), (0.0023, "$0.0023"), (0.5, "$0.50"), (12.3456, "$12.35")],
)
def test_an_amount_has_two_digits_that_say_something(cost: float, text: str) -> None:
    assert dollars(cost) == text


def test_the_facts_of_a_turn_are_its_times_tokens_and_cost() -> None:
    now = [0.0]
    turn = Turn("agent", clock=lambda: now[0])
    now[0] = 0.4
    call: JsonObject = {"id": "1", "name": "look", "arguments": {"a": 1}}
    turn.take({"type": "tool_call", "tool_call": call})
    now[0] = 0.7
    turn.take({"type": "tool_result", "tool_result": {"id": "1", "error": "HTTP 404"}})
    now[0] = 1.3
    turn.take({"type": "chunk", "content": "no"})
    now[0] = 2.4
    usage = {"input_tokens": 1883, "output_tokens": 96, "cost_usd": 0.0023}
    turn.take({"type": "done", "usage": usage, "finish_reason": "stop", "pack_version": "2.1.0"})
    now[0] = 99.0
    assert facts(turn) == "2.4 s, first word 1.3 s · 1,883 + 96 tokens · $0.0023 · prompt 2.1.0"
    assert [(step.name, step.began, step.ended, step.outcome) for step in turn.steps] == [
        ("agent", 0.0, 0.4, "done"),
        ("look", 0.4, 0.7, "HTTP 404"),
        ("agent", 0.7, 2.4, "done"),
    ]


def test_an_answer_that_was_stopped_did_not_cost_nothing() -> None:
    turn = Turn("agent", clock=lambda: 0.0)
    usage = {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}
    turn.take({"type": "done", "usage": usage, "finish_reason": "cancelled"})
    assert facts(turn) == "0.0 s · cost not known · cancelled"


def test_the_help_keeps_its_columns_in_a_narrow_terminal() -> None:
    file = io.StringIO()
    console = Console(file=file, width=40, highlight=False)
    screen = TerminalScreen(console, "agent")
    talk = Conversation(lambda: contextlib.nullcontext(("", None)), screen, None)
    Commands(talk, screen, console, list, {}).take("/help")
    *commands, _, _, _ = file.getvalue().splitlines()
    assert all(line.startswith("  ") and len(line) <= 40 for line in commands), commands
    assert sum(line.startswith("  /") for line in commands) == len(COMMANDS)
