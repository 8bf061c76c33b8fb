"""`omnia up` itself: ports, failures, the end."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.end_to_end.conftest import EXAMPLES, LIMIT, Start
from tests.end_to_end.test_reload import HELLO, ask
from tests.programs import PYTHON
from tests.services import free_port

Example = Callable[[str], Path]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_everything(
    start: Start, example: Example, number: signal.Signals
) -> None:
    up = start(example("support-agent"))
    ready = up.wait("ready")
    up.wait("serving")

    assert up.stop(number) == 0

    assert not [pid for pid in ready["pids"].values() if alive(pid)]


def test_an_agent_whose_port_is_occupied_serves_on_the_next_free_one_and_says_so(
    start: Start, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "agent.yaml"
        file.write_text(HELLO.format(name="first", port=port, answer="one"))
        up = start(file)
        url = up.wait("ready")["url"]
        with connect(url) as conversation:
            assert ask(conversation, "hi") == "one"

    assert url != f"ws://127.0.0.1:{port}/ws"
    said = up.errors.read_text()
    assert f"port {port} is occupied by another program: serves on port" in said
    assert "--port" in said


def test_one_agent_of_several_moves_on_to_the_next_free_port(start: Start, tmp_path: Path) -> None:
    port = free_port()
    for name in ("first", "second"):
        text = HELLO.format(name=name, port=port, answer=name)
        (tmp_path / f"{name}.yaml").write_text(text)
    up = start(tmp_path)
    urls = {name: up.wait("ready", name=name)["url"] for name in ("first", "second")}

    assert len(set(urls.values())) == 2
    assert f"ws://127.0.0.1:{port}/ws" in urls.values()
    for name, url in urls.items():
        with connect(url) as conversation:
            assert ask(conversation, "hi") == name


def test_a_process_that_dies_is_reported_with_its_reason_and_started_again(
    start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(HELLO.format(name="first", port=free_port(), answer="one"))
    up = start(file)
    ready = up.wait("ready")
    up.wait("serving")

    os.kill(ready["pids"]["runtime"], signal.SIGKILL)

    assert "runtime ended: SIGKILL" in up.wait("failed", name="first")["reason"]
    again = up.wait("ready", name="first")
    assert again["pids"]["facade"] == ready["pids"]["facade"]
    assert again["pids"]["runtime"] != ready["pids"]["runtime"]
    with connect(again["url"]) as conversation:
        assert ask(conversation, "hi") == "one"


def test_a_secret_that_is_not_among_the_manifests_comes_from_the_environment(
    start: Start, tmp_path: Path
) -> None:
    text = HELLO.format(name="first", port=free_port(), answer="one").replace(
        "type: mock\n    mock:\n      responses:\n        defaultResponse: one",
        "type: openai\n    model: m\n    secretRef:\n      name: openai",
    )
    file = tmp_path / "agent.yaml"
    file.write_text(text)

    without = start(file, OPENAI_API_KEY="", OPENAI_TOKEN="")
    failed = without.wait("failed", name="first")
    start(file, OPENAI_API_KEY="sk-1").wait("ready", name="first")

    assert without.process.wait(LIMIT) == 1
    assert "OPENAI_API_KEY" in failed["reason"]


def test_what_cannot_run_here_is_named(start: Start, example: Example) -> None:
    folder = example("support-agent")
    server = folder / "order-api.yaml"
    server.write_text(server.read_text().replace("command:", "args:"))
    up = start(folder)

    failed = up.wait("failed", name="order-api")
    up.wait("ready", name="support-agent")

    assert "no command" in failed["reason"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["up", "-f", "nowhere"], "nowhere"),
        (["call", "nobody", "{}"], 'no agent named "nobody"'),
        (["call", "http://127.0.0.1:1/functions/x", "{}"], "cannot be reached"),
        (["call", "http://127.0.0.1:1/functions/x", "{"], "not JSON"),
        (["chat", "ws://127.0.0.1:1/ws"], "cannot be reached"),
    ],
)
def test_wrong_use_is_answered_in_one_line(
    arguments: list[str], expected: str, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [PYTHON, "-m", "omnia_cli", *arguments],
        capture_output=True,
        check=False,
        timeout=LIMIT,
        env=environment,
    )

    assert done.returncode == 1
    assert expected in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_the_table_for_people_names_the_agent_and_how_to_talk_to_it(
    environment: dict[str, str],
) -> None:
    process = subprocess.Popen(
        [PYTHON, "-m", "omnia_cli", "up", "-f", str(EXAMPLES / "echo-agent")],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout
    text = ""
    while "Ctrl-C" not in text:
        line = process.stdout.readline().decode()
        assert line, text
        text += line
    process.send_signal(signal.SIGINT)

    assert process.wait(LIMIT) == 0
    process.stdout.close()
    assert "echo-agent" in text
    assert "omnia chat echo-agent" in text
