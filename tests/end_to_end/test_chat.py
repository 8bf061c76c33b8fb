"""`omnia chat` itself, in pipes and scripts."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import orjson
import pytest

from tests.end_to_end.conftest import LIMIT, OMNIA, OMNIA_STARTED, ROOT, Share, Shared, Start
from tests.end_to_end.test_reload import HELLO
from tests.services import free_port

Done = subprocess.CompletedProcess[str]


def chat(shared: Shared, *arguments: str, lines: str = "") -> Done:
    """Run the command with lines from a pipe."""
    return subprocess.run(
        [*OMNIA, "chat", *arguments],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        env=shared.environment,
    )


@pytest.fixture(scope="module")
def agent(share: Share) -> Shared:
    return share("support-agent")


def session_of(done: Done) -> str:
    found = re.search(r"session (\S+)", done.stdout)
    assert found, done
    return found[1]


def tokens_in(done: Done) -> list[int]:
    """Return the size of each request, which grows with its conversation."""
    return [int(number) for number in re.findall(r"(\d+) tokens in", done.stdout)]


def test_a_message_that_is_no_utf8_is_sent_as_far_as_it_is(agent: Shared) -> None:
    done = subprocess.run(
        [*(part.encode() for part in OMNIA), b"chat", b"support-agent", b"Where is A-1001? \xff"],
        capture_output=True,
        check=False,
        timeout=LIMIT,
        env=agent.environment,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done
    assert b"A-1001" in done.stdout


def test_a_resumed_session_gets_the_first_message_and_all_others(agent: Shared) -> None:
    before = chat(agent, "support-agent", lines="Where is order A-1001?\nWhere is A-1002?\n")
    session = session_of(before)

    after = chat(agent, "support-agent", "--session", session, lines="thanks\nthanks\n")

    assert (before.returncode, after.returncode) == (0, 0), (before, after)
    assert session_of(after) == session
    sizes = tokens_in(after)
    assert min(sizes) > tokens_in(before)[0]
    assert sizes == sorted(sizes)


def test_a_session_that_does_not_exist_is_an_error_before_the_first_message(agent: Shared) -> None:
    done = chat(agent, "support-agent", "--session", "gone", lines="hello\n")

    assert done.returncode == 1
    assert "SESSION_EXPIRED" in done.stderr
    assert "tokens" not in done.stdout
    assert "Traceback" not in done.stderr


def test_the_address_of_the_console_and_host_with_port_lead_to_the_agent(agent: Shared) -> None:
    address = agent.url.removeprefix("ws://").removesuffix("/ws")
    for given in (f"http://{address}/", address):
        done = chat(agent, given, lines="hello\n")
        assert done.returncode == 0, done
        assert tokens_in(done)


def test_a_turn_that_failed_in_a_pipe_is_exit_code_1(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    port = free_port()
    text = HELLO.format(name="failing", port=port, answer="x")
    mock = text[text.index("    type: mock") :]
    dead = f"    type: openai\n    model: m\n    baseURL: http://127.0.0.1:{free_port()}\n"
    file = tmp_path / "failing.yaml"
    file.write_text(text.replace(mock, dead))
    start(file).wait("serving")

    done = chat(Shared("", environment), f"http://127.0.0.1:{port}", lines="hello\n")

    assert done.returncode == 1, done
    assert "cannot be reached" in done.stdout


def test_a_message_while_the_runtime_is_restarted_waits_for_it(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(HELLO.format(name="first", port=free_port(), answer="one"))
    up = start(file)
    ready = up.wait("ready")
    up.wait("serving")
    os.kill(ready["pids"]["runtime"], signal.SIGKILL)
    up.wait("failed", name="first")

    done = chat(Shared("", environment), "first", lines="hello\n")

    assert done.returncode == 0, done
    assert "one" in done.stdout


def test_a_chat_that_begins_before_the_agent_serves_waits_for_it(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(HELLO.format(name="first", port=free_port(), answer="one"))
    start(file)
    announced = Path(environment["XDG_STATE_HOME"]) / "omnia" / "running"
    began = time.monotonic()
    while not list(announced.glob("*.json")):
        assert time.monotonic() - began < LIMIT
        time.sleep(0.01)

    done = chat(Shared("", environment), "first", lines="hello\n")

    assert done.returncode == 0, done
    assert "one" in done.stdout


def test_one_message_prints_its_answer_alone(agent: Shared) -> None:
    done = chat(agent, "support-agent", "Where is order A-1001?")
    assert done.returncode == 0, done
    assert done.stdout.startswith("Order A-1001 (oak desk) is on its way")
    assert done.stdout.endswith("\n")
    assert done.stdout.count("\n") == 1
    assert "lookup_order" in done.stderr
    session = re.search(r"session (\S+)", done.stderr)
    assert session
    again = chat(agent, "support-agent", "thanks", "--session", session[1])
    assert again.stdout == "You are welcome. Have a good day!\n"


def test_one_message_that_fails_is_exit_code_1(agent: Shared) -> None:
    done = chat(agent, "support-agent", "hello", "--session", "gone")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "SESSION_EXPIRED" in done.stderr


def test_one_message_in_json_is_the_frames_of_its_answer(agent: Shared) -> None:
    done = chat(agent, "support-agent", "Where is order A-1001?", "--json")
    assert done.returncode == 0, done
    frames = [orjson.loads(line) for line in done.stdout.splitlines()]
    kinds = [frame["type"] for frame in frames]
    assert kinds[0] == "connected"
    assert kinds.index("tool_call") < kinds.index("tool_result") < kinds.index("chunk")
    assert kinds[-1] == "done"
    said = "".join(frame["content"] for frame in frames if frame["type"] == "chunk")
    assert frames[-1]["content"] == said
    assert done.stderr == ""


def test_a_message_comes_from_standard_input_and_the_answer_alone_is_left(agent: Shared) -> None:
    done = chat(agent, "support-agent", "-", "--quiet", lines="Where is\norder A-1001?\n")
    assert done.returncode == 0, done
    assert "oak desk" in done.stdout
    assert done.stderr == ""


def test_a_file_goes_with_a_message(agent: Shared, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("a note")
    done = chat(agent, "support-agent", "hello", "--file", str(file))
    assert done.returncode == 0, done
    missing = chat(agent, "support-agent", "hello", "--file", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "cannot be read: No such file" in missing.stderr
    alone = chat(agent, "support-agent", "--file", str(file))
    assert alone.returncode == 2
    both = chat(agent, "support-agent", "hello", "--resume", "--session", "s")
    assert both.returncode == 2


PLANNED = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: planned}
spec:
  version: 1.0.0
  source: {type: configmap, configMapRef: {name: planned}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: planned}
data:
  pack.json: |
    {"id": "planned", "name": "Planned", "version": "1.0.0",
     "template_engine": {"version": "v1", "syntax": "{{variable}}"},
     "prompts": {"default": {"id": "default", "name": "Default", "version": "1.0.0",
       "system_template": "The user has the plan {{plan}}.",
       "variables": [{"name": "plan", "type": "string", "required": true}]}}}
---
"""


def test_variables_of_the_prompt_go_with_a_message(
    start: Start, tmp_path: Path, environment: dict[str, str]
) -> None:
    agent = HELLO.format(name="planned", port=free_port(), answer="one").replace(
        "prompt:\n    system: You are a friendly assistant.", "promptPackRef: {name: planned}"
    )
    file = tmp_path / "planned.yaml"
    file.write_text(PLANNED + agent)
    start(file).wait("serving")
    shared = Shared("", environment)

    without = chat(shared, "planned", "hello")
    given = chat(shared, "planned", "hello", "--var", "plan=gold")
    wrong = chat(shared, "planned", "hello", "--var", "gold")

    assert (without.returncode, given.returncode, wrong.returncode) == (1, 0, 2), without
    assert "plan" in without.stderr
    assert given.stdout == "one\n"
    assert "expected NAME=VALUE" in wrong.stderr


def test_a_version_of_the_prompt_answers_one_message(agent: Shared) -> None:
    done = chat(agent, "support-agent", "hello", "--version", "1.0.0", "--json")
    gone = chat(agent, "support-agent", "hello", "--version", "9.0.0")
    resumed = chat(agent, "support-agent", "hello", "--version", "1.0.0", "--resume")

    assert (done.returncode, gone.returncode, resumed.returncode) == (0, 1, 2), (done, gone)
    assert orjson.loads(done.stdout.splitlines()[-1])["pack_version"] == "1.0.0"
    assert 'no version "9.0.0" of the PromptPack; there is 1.0.0' in gone.stderr


def test_a_message_of_any_bytes_is_answered_and_an_empty_one_is_refused(agent: Shared) -> None:
    command = [*OMNIA_STARTED, "chat", "support-agent"]

    def typed(*words: str | bytes, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, *words],
            input=given,
            env={**agent.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
            timeout=LIMIT,
        )

    lines = typed("--quiet", given=b"hel\xfflo\n")
    argument = typed("--quiet", b"hel\xfflo")
    empty = typed("-", given=b"\n")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command, "hello"],
        env={**agent.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )

    assert (lines.returncode, argument.returncode, empty.returncode) == (0, 0, 2), (lines, argument)
    assert closed.returncode == 0, closed
    assert lines.stdout == argument.stdout != b""
    assert b"it is empty: write a text" in empty.stderr
