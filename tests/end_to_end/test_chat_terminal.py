"""`omnia chat` at a terminal: keys, Markdown, commands, and answers that would like to own it."""

import os
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.end_to_end.conftest import OMNIA_STARTED, ROOT, Example, Start, starting
from tests.end_to_end.terminal import PATIENCE, Terminal, terminal
from tests.services import free_port

pytestmark = pytest.mark.timeout(4 * PATIENCE)

VERSIONED = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: writer}}
spec:
  promptPackRef: {{name: pack}}
  examples: [What can you do?]
  facade: {{type: websocket, port: {port}}}
  provider: {{type: mock, model: small, mock: {{responses: {{defaultResponse: "Yes."}}}}}}
"""
PACK = """\
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {{name: "pack-{major}"}}
spec:
  packName: pack
  version: {major}.0.0
  source: {{type: configmap, configMapRef: {{name: pack-{major}}}}}
  rollout: {rollout}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: pack-{major}}}
data:
  pack.json: |
    {{"id": "pack", "name": "Pack", "version": "{major}.0.0",
     "template_engine": {{"version": "v1", "syntax": "{{{{variable}}}}"}},
     "prompts": {{"a":
       {{"id": "a", "name": "A", "version": "1.0.0", "system_template": "Write."}}}}}}
"""
CLIENT_TOOL = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: writer}}
spec:
  prompt: {{system: You guide.}}
  facade: {{type: websocket, port: {port}}}
  toolRegistryRef: {{name: browser}}
  provider:
    type: mock
    mock:
      responses:
        scenarios:
          default:
            turns:
              1: {{type: tool_calls, tool_calls: [{{name: locate, arguments: {{exact: true}}}}]}}
              2: "You are there."
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: ToolRegistry
metadata: {{name: browser}}
spec:
  handlers:
    - name: browser
      type: client
      tool: {{name: locate, description: asks where the user is, inputSchema: {{type: object}}}}
      clientConfig: {{consentMessage: May I know?}}
"""
AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata:
  name: writer
spec:
  facade:
    type: websocket
    port: {port}
  prompt:
    system: You write.
  provider:
    type: mock
    mock:
      responses:
        inter_chunk_ms: 40
        defaultResponse: "Yes."
        scenarios:
          default:
            matches:
              - contains: table
                content: |
                  # Orders

                  All **done**, see [here](https://example.com/a).

                  | Order | Item |
                  |---|---|
                  | A-1001 | oak desk |

                  - one
                  - two

                  ```
                  code()
                  ```

                  <b>kept</b>
              - contains: hostile
                content: "\\e]0;OWNED\\a\\e[2J\\e[H\\e[31mred \\u009b31m back\\b\\b\\r over"
              - contains: count
                content: >-
                  one two three four five six seven eight nine ten eleven twelve thirteen fourteen
                  fifteen sixteen seventeen eighteen nineteen twenty done
"""


@pytest.fixture(scope="module")
def environment_of_all(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("terminal")
    return {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm-256color"}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, environment_of_all: dict[str, str]
) -> Iterator[dict[str, str]]:
    """An agent that `omnia up` runs for all tests; return the environment of its users."""
    folder = tmp_path_factory.mktemp("writer")
    (folder / "writer.yaml").write_text(AGENT.format(port=free_port()))
    with starting(folder, environment_of_all) as start:
        start(folder / "writer.yaml").wait("serving")
        yield environment_of_all


@pytest.fixture
def person(need_program: Callable[[str, str], str]) -> Iterator[Terminal]:
    with terminal(need_program("tmux", "apt-get install tmux")) as found:
        yield found


def talk(person: Terminal, environment: dict[str, str], *options: str) -> None:
    person.start(
        [*OMNIA_STARTED, "chat", "writer", *options], {**environment, "PYTHONPATH": str(ROOT)}
    )
    person.until("Ctrl-D leaves\n\n>")


def test_an_answer_is_drawn_as_markdown_with_its_times_and_cost(
    person: Terminal, served: dict[str, str]
) -> None:
    talk(person, served)
    person.say("a table please")
    screen = person.until("tokens ·")
    assert re.search(r"^ +Orders$", screen, re.MULTILINE)
    assert "All done, see here (https://example.com/a)." in screen
    assert re.search(r"^ Order +Item *\n ─+", screen, re.MULTILINE)
    assert " • one\n • two\n" in screen
    assert "**" not in screen
    assert "```" not in screen
    assert "<b>kept</b>" in screen
    facts = r"^[\d.]+ s, first word [\d.]+ s · \d+ \+ \d+ tokens · \$0\.\d+"
    assert re.search(facts, screen, re.MULTILINE)
    assert max(map(len, screen.splitlines())) <= 80


def test_an_answer_moves_no_cursor_and_sets_no_title(
    person: Terminal, served: dict[str, str]
) -> None:
    talk(person, served)
    before = person.title
    person.say("hostile")
    screen = person.until("tokens ·")
    assert "␛]0;OWNED␇␛[2J␛[H␛[31mred" in screen
    assert "back␈␈ over" in screen
    # What was on the screen before is still there.
    assert "> hostile" in screen
    assert person.title == before


def test_a_paste_is_one_message_and_a_line_is_edited_and_found_again(
    person: Terminal, served: dict[str, str], tmp_path: Path
) -> None:
    talk(person, served)
    person.paste("first line\nsecond line\nthird")
    person.until("third")
    person.press("Enter")
    person.until("tokens ·")
    person.type("helo")
    person.press("Left", "l", "Enter")
    person.until("> hello", "tokens ·", times=1)
    screen = person.until("tokens ·", times=2)
    assert screen.count("Yes.") == 2
    person.press("Up")
    person.until("> hello", times=2)
    person.press("C-c")
    person.type("one")
    person.press("M-Enter")
    person.say("two")
    screen = person.until("tokens ·", times=3)
    assert "> one\n  two\n" in screen
    for line in ('"""three', "four", '"""'):
        person.say(line)
    person.until("tokens ·", times=4)
    person.say(f"/save {tmp_path / 'said.json'}")
    person.until("4 turns written")
    assert orjson.loads((tmp_path / "said.json").read_bytes())[-1]["message"] == "three\nfour"
    person.press("C-d")
    screen = person.until("exit 0")
    assert re.search(r"^\d turns?, \$0\.\d+\ngo on with: ", screen, re.MULTILINE)
    session = re.search(r"writer  session (\S+)", screen)
    assert session
    assert f"go on with: omnia chat writer --session\n{session[1]}" in screen.replace(
        f"--session {session[1]}", f"--session\n{session[1]}"
    )


def test_ctrl_c_stops_an_answer_and_at_the_prompt_only_the_second_one_leaves(
    person: Terminal, served: dict[str, str]
) -> None:
    talk(person, served)
    person.say("count")
    person.until("four")
    person.press("C-c")
    screen = person.until("Stopped. The text so far is stored.", "cancelled")
    assert "twenty done" not in screen
    person.say("hello")
    person.until("Yes.")
    person.press("C-c")
    person.until("Ctrl-C again, or Ctrl-D, leaves")
    assert "exit 0" not in person.screen
    person.press("C-c")
    person.until("exit 0")


def test_ctrl_c_stops_an_answer_to_one_message_and_is_the_exit_code(
    person: Terminal, served: dict[str, str]
) -> None:
    person.start([*OMNIA_STARTED, "chat", "writer", "count"], {**served, "PYTHONPATH": str(ROOT)})
    person.until("four")
    person.press("C-c")
    screen = person.until("exit 130")
    assert "twenty done" not in screen


def test_what_is_typed_during_an_answer_is_the_next_line_and_not_in_the_answer(
    person: Terminal, served: dict[str, str]
) -> None:
    talk(person, served)
    person.say("count")
    person.until("two")
    person.type("typed ahead")
    screen = person.until("twenty done", "> typed ahead")
    assert screen.count("typed ahead") == 1


def test_commands_list_resume_and_explain(person: Terminal, served: dict[str, str]) -> None:
    talk(person, served)
    person.say("a table please")
    person.until("tokens ·")
    person.say("/hlep")
    person.until("no command /hlep; did you mean /help?")
    person.say("/help")
    person.until("/sessions", "/quit")
    person.say("/steps")
    person.until("━━━")
    first = re.search(r"session (\S+)", person.screen)
    assert first
    person.say("/new")
    person.until("  session ", times=2)
    person.say("//slash")
    person.until("Yes.")
    person.say("/name")
    person.until("/name TEXT gives")
    person.say("/name  My slash ")
    person.until("this conversation is called My slash")
    person.say("/name " + "x" * 201)
    person.until("expected at most 200 characters")
    person.say("/sessions")
    person.until("1 turn ", times=2)
    person.until("My slash", times=3)
    person.say(f"/resume {first[1]}")
    person.until(f"resumed session {first[1]}")
    screen = person.until("> a table please", times=2)
    assert "| A-1001 | oak desk |" in screen
    person.say("/raw")
    person.until("there is no answer yet")
    person.say("/resume gone")
    person.until("SESSION_EXPIRED")
    person.say("/info")
    person.until(f"session  {first[1]}")
    person.say("/quit")
    person.until("exit 0")


def test_a_message_is_edited_shown_as_it_is_and_has_variables(
    person: Terminal, served: dict[str, str], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/chair/table/ "$1"\n')
    editor.chmod(0o700)
    talk(person, {**served, "EDITOR": str(editor), "VISUAL": ""})
    person.say("a chair please")
    person.until("tokens ·")
    person.say("/edit")
    person.until("> a table please", "oak desk")
    person.until("tokens ·", times=2)
    person.say("/raw")
    person.until("| A-1001 | oak desk |", "**done**")
    person.say("/vars plan=gold note='two words'")
    person.until("plan=gold\nnote=two words\n")
    person.say("/vars plan= note=")
    person.until("no variable is set")
    person.say("/vars plan")
    person.until('expected NAME=VALUE, found "plan"')


def test_the_prompt_is_shown_as_the_model_gets_it(person: Terminal, served: dict[str, str]) -> None:
    talk(person, served)
    person.say("/prompt")
    person.until("You write", "version", "tokens; variables are bold")
    person.say("/prompt 9.9.9")
    person.until('there is no version "9.9.9"')
    person.say("/version")
    person.until("this agent is in its AgentRuntime, and has no versions")


def test_a_message_is_answered_again_and_edited_without_being_said_twice(
    person: Terminal, served: dict[str, str], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho second, better > "$1"\n')
    editor.chmod(0o700)
    talk(person, {**served, "EDITOR": str(editor), "VISUAL": ""})
    old = re.search(r"session (\S+)", person.screen)
    assert old
    for number, line in enumerate(("first", "second", "/again", "/edit", "/edit new"), 1):
        person.say(line)
        person.until("tokens ·", times=number)
    sessions = re.findall(r"resumed session (\S+)", person.until("> second, better", times=2))
    person.say("/info")
    address = re.search(r"address  ws(\S+)/ws", person.until("here     "))
    assert address

    def said(session: str) -> list[str]:
        url = f"http{address[1]}/api/sessions/{session}/turns"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            turns = orjson.loads(answer.read())["turns"]
        return [turn["messages"][0]["content"] for turn in turns]

    assert [said(each) for each in (old[1], *sessions)] == [
        ["first", "second"],
        ["first", "second"],
        ["first", "second, better", "second, better"],
    ]


def test_the_newest_conversation_is_resumed_with_what_was_said_last(
    person: Terminal, served: dict[str, str]
) -> None:
    talk(person, served)
    person.say("hello there")
    # Ctrl-D leaves at the prompt, which is there after the answer.
    person.until("tokens ·")
    person.until("\n>", times=2)
    person.press("C-d")
    person.until("exit 0")
    with terminal("tmux") as it:
        talk(it, served, "--resume")
        it.until("resumed session", "> hello there", "Yes.")


def test_the_agent_introduces_itself_and_answers_with_the_version_that_is_chosen(
    person: Terminal, start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "writer.yaml"
    file.write_text(
        VERSIONED.format(port=free_port())
        + PACK.format(major=1, rollout="{type: immediate}")
        + PACK.format(major=2, rollout="{type: canary, canary: {weight: 1}}")
    )
    start(file).wait("serving")
    talk(person, {**environment, "TERM": "xterm-256color"})
    person.until("small · pack 1.0.0\nTry: What can you do?\n")
    person.say("/version")
    person.until("1.0.0  99 % of", "2.0.0  1 % of", "now: default")
    person.say("/version 3.0.0")
    person.until('no version "3.0.0" of the PromptPack; there is 1.0.0, 2.0.0')
    person.say("/version 2.0.0")
    person.until("  session ", times=2)
    person.say("hello")
    person.until("prompt 2.0.0")
    person.say("again")
    person.until("prompt 2.0.0", times=2)
    person.say("/version")
    person.until("now: 2.0.0")
    person.say("/version 1.0.0")
    person.until("  session ", times=3)
    person.say("hello")
    person.until("prompt 1.0.0")
    person.say("/quit")
    person.until("exit 0")


def test_a_tool_of_the_client_asks_the_person(
    person: Terminal, start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "writer.yaml"
    file.write_text(CLIENT_TOOL.format(port=free_port()))
    start(file).wait("serving")
    talk(person, {**environment, "TERM": "xterm-256color"})
    person.say("where am I?")
    person.until("locate asks you", "May I know?", "exact: true", "(Enter rejects)")
    person.say('{"city": "Rome"}')
    person.until("locate exact=true  done", "You are there.", "tokens ·")
    person.say("/step 2")
    person.until('"city": "Rome"')
    person.say("/new")
    person.until("  session ", times=2)
    person.say("where am I now?")
    person.until("(Enter rejects)", times=2)
    person.press("Enter")
    person.until("failed the user gave no result", "tokens ·")


def test_a_facade_that_is_replaced_is_connected_again(
    person: Terminal, start: Start, example: Example, environment: dict[str, str]
) -> None:
    folder = example("support-agent")
    up = start(folder)
    ready = up.wait("ready")
    up.wait("serving")
    person.start(
        [*OMNIA_STARTED, "chat", "support-agent"],
        {**environment, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
    )
    person.until("Ctrl-D leaves\n\n>")
    person.say("Where is order A-1001?")
    screen = person.until("● lookup_order order_id=A-1001  done", "tokens ·")
    assert "12 March" in screen
    os.kill(ready["pids"]["facade"], signal.SIGKILL)
    person.say("Where is order Z-9?")
    person.until("connection lost", "resumed session", "there is no order Z-9")
    person.until("tokens ·", times=2)
    person.say("/tools")
    person.until("lookup_order  2 calls, 1 failed")
    person.say("/step 2")
    person.until('"order_id": "Z-9"')
