"""The port of `omnia up`: asked for, occupied, next to another `omnia up`."""

import contextlib
import socket
import subprocess
from pathlib import Path

from websockets.sync.client import connect

from tests.end_to_end.conftest import EXAMPLES, LIMIT, OMNIA, Start
from tests.end_to_end.test_reload import HELLO, ask
from tests.services import free_port


def test_the_port_of_the_option_takes_the_place_of_the_manifests(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(HELLO.format(name="first", port=1, answer="one"))
    port = free_port()
    process = subprocess.Popen(
        [*OMNIA, "up", "--json", "-f", str(file), "--port", str(port)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout
    line = process.stdout.readline().decode()
    process.terminate()

    assert process.wait(LIMIT) == 0
    process.stdout.close()
    assert f"ws://127.0.0.1:{port}/ws" in line


def test_an_occupied_port_of_the_option_is_an_error_that_names_it(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(HELLO.format(name="first", port=free_port(), answer="one"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*OMNIA, "up", "-f", str(file), "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
            env=environment,
        )

    assert done.returncode == 1
    assert f"port {port} is occupied" in done.stdout
    assert "--port" in done.stdout


def test_a_second_omnia_up_names_the_agent_that_has_the_port(start: Start, tmp_path: Path) -> None:
    port = free_port()
    files = [tmp_path / f"{name}.yaml" for name in ("first", "second")]
    for file in files:
        file.write_text(HELLO.format(name=file.stem, port=port, answer="one"))
    start(files[0]).wait("serving")
    second = start(files[1])
    second.wait("serving")

    assert 'occupied by the agent "first" of another `omnia up`' in second.errors.read_text()


def test_several_that_start_at_once_share_no_port(start: Start, tmp_path: Path) -> None:
    for n in range(3):
        # All look for this port at the same time.
        port = free_port()
        names = [f"agent-{n}-{each}" for each in range(3)]
        for name in names:
            file = tmp_path / f"{name}.yaml"
            file.write_text(HELLO.format(name=name, port=port, answer=name))
        together = [start(tmp_path / f"{name}.yaml") for name in names]
        for name, up in zip(names, together, strict=True):
            with connect(up.wait("ready")["url"]) as conversation:
                assert ask(conversation, "hi") == name
        for up in together:
            assert up.stop() == 0
            assert not [event for event in up.events if event["event"] == "failed"]


def test_a_restart_that_loses_conversations_is_reported(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    text = HELLO.format(name="first", port=free_port(), answer="one")
    file.write_text(text)
    up = start(file, options=("--ephemeral",))
    url = up.wait("ready")["url"]
    up.wait("serving")
    with connect(url) as conversation:
        assert ask(conversation, "hi") == "one"
        assert "are lost" not in up.errors.read_text()

        file.write_text(text + "  session:\n    type: memory\n    ttl: 2h\n")
        up.wait("ready")

        assert "SESSION_EXPIRED" in ask(conversation, "hi")
        assert ask(conversation, "hi") == "one"
    assert "its conversations were in memory and are lost" in up.errors.read_text()


def test_the_examples_start_beside_a_program_on_their_port(start: Start, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        # Whatever has the port already serves the test as well.
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 8080)))
        url = start(EXAMPLES / "echo-agent").wait("ready")["url"]
        assert ":8080" not in url
        with connect(url) as conversation:
            assert ask(conversation, "hi")
