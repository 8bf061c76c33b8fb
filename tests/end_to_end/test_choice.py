"""Two agents of one name on one machine: a person is asked which one, a script is told both."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.end_to_end.conftest import LIMIT, OMNIA, OMNIA_STARTED, ROOT, starting
from tests.end_to_end.terminal import PATIENCE, terminal
from tests.services import free_port

pytestmark = pytest.mark.timeout(4 * PATIENCE)
AGENT = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: twin, namespace: {namespace}}}
spec:
  prompt: {{system: You answer.}}
  facade: {{type: websocket, port: {port}}}
  provider:
    type: mock
    mock:
      responses:
        defaultResponse: "I am of {namespace}."
        scenarios: {{default: {{turns: {{2: "{namespace} again."}}}}}}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two `omnia up` with an agent of one name each."""
    folder = tmp_path_factory.mktemp("twins")
    found = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm-256color"}
    with starting(folder, found) as start:
        for namespace in ("east", "west"):
            # Each has a file of conversations of its own.
            file = folder / namespace / "agent.yaml"
            file.parent.mkdir()
            file.write_text(AGENT.format(namespace=namespace, port=free_port()))
            start(file).wait("serving")
        yield found


@pytest.fixture(scope="module")
def of_one_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One `omnia up` with two agents of one name, which have one file of conversations."""
    folder = tmp_path_factory.mktemp("together")
    found = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "TERM": "xterm-256color"}
    manifests = folder / "manifests"
    manifests.mkdir()
    for namespace in ("east", "west"):
        text = AGENT.format(namespace=namespace, port=free_port())
        (manifests / f"{namespace}.yaml").write_text(text)
    with starting(folder, found) as start:
        start(manifests).wait("serving")
        yield found


def chat(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OMNIA, "chat", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        env=environment,
    )


def test_a_script_gets_the_addresses_and_the_exit_code_2(environment: dict[str, str]) -> None:
    done = chat(environment, "twin", "hello")
    assert done.returncode == 2, done
    assert "west/twin, east/twin" in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_namespace_before_the_name_means_one_of_them(environment: dict[str, str]) -> None:
    for namespace in ("east", "west"):
        done = chat(environment, f"{namespace}/twin", "hello")
        assert done.stdout == f"I am of {namespace}.\n", done
    done = chat(environment, "east/twin", "hello", "--resume")
    assert (done.returncode, done.stdout) == (0, "east again.\n"), done


def test_the_conversation_of_one_of_two_in_a_folder_is_gone_on_with(
    of_one_folder: dict[str, str],
) -> None:
    for namespace in ("east", "west"):
        done = chat(of_one_folder, f"{namespace}/twin", "hello")
        assert done.stdout == f"I am of {namespace}.\n", done
    # That of west is the newest of both.
    for namespace in ("east", "west"):
        done = chat(of_one_folder, f"{namespace}/twin", "hello", "--resume")
        assert (done.returncode, done.stdout) == (0, f"{namespace} again.\n"), done


def test_sessions_are_told_apart_by_the_namespace_of_their_agent(
    of_one_folder: dict[str, str],
) -> None:
    for namespace in ("east", "west"):
        assert chat(of_one_folder, f"{namespace}/twin", "hello").returncode == 0

    def listed(*options: str) -> list[str]:
        return subprocess.run(
            [*OMNIA, "sessions", "list", *options],
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT,
            env=of_one_folder,
        ).stdout.splitlines()

    for namespace in ("east", "west"):
        found = [orjson.loads(line) for line in listed("--agent", f"{namespace}/twin", "--json")]
        assert {each["namespace"] for each in found} == {namespace}
    assert {line.split()[0] for line in listed()[1:]} == {"east/twin", "west/twin"}


def test_what_was_typed_to_one_of_two_is_not_offered_to_the_other(
    of_one_folder: dict[str, str], need_program: Callable[[str, str], str]
) -> None:
    program = need_program("tmux", "apt-get install tmux")
    kept = Path(of_one_folder["XDG_STATE_HOME"]) / "omnia/chat"
    kept.mkdir(parents=True, exist_ok=True)
    # As it was named before namespaces were a part of the name.
    before = kept / f"{hashlib.sha256(b'/twin').hexdigest()[:16]}.history"
    before.write_text("\n# 2026-01-01 00:00:00\n+typed before\n")
    shown = {}
    for namespace in ("east", "west"):
        with terminal(program) as person:
            command = [*OMNIA_STARTED, "chat", f"{namespace}/twin"]
            person.start(command, {**of_one_folder, "PYTHONPATH": str(ROOT)})
            person.until("/help lists commands", "\n>")
            person.press("Up")
            person.say(f" to {namespace}")
            person.until(f"I am of {namespace}.", "tokens ·")
            person.press("C-d")
            shown[namespace] = person.until("exit 0")
    assert "> typed before to east" in shown["east"]
    assert "typed before" not in shown["west"]
    assert ">  to west" in shown["west"]


def test_a_name_of_this_machine_is_not_one_of_a_cluster(environment: dict[str, str]) -> None:
    done = chat(environment, "east/twin", "hello", "-n", "shop")
    assert (done.returncode, "give NAME alone" in " ".join(done.stderr.split())) == (2, True), done


def test_a_person_is_asked_at_a_terminal(
    environment: dict[str, str], need_program: Callable[[str, str], str]
) -> None:
    program = need_program("tmux", "apt-get install tmux")
    with terminal(program) as person:
        person.start(
            [*OMNIA_STARTED, "chat", "twin", "hello"], {**environment, "PYTHONPATH": str(ROOT)}
        )
        person.until("1  west/twin", "2  east/twin", "Which one (1 to 2):")
        person.say("7")
        person.until("Which one (1 to 2):", times=2)
        person.say("2")
        person.until("I am of east.", "exit 0")
