"""The URL that a user gives to `omnia chat` and `omnia call`."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from omnia_cli.connect import NotFound, SeveralFound, find, find_url
from omnia_cli.local.report import AgentState, Serving
from omnia_cli.running import announce, announced, folder
from omnia_core.names import Mode


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ws://127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/ws"),
        ("http://127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws"),
        ("https://agents.example.com", "wss://agents.example.com/ws"),
        ("wss://agents.example.com/team/ws", "wss://agents.example.com/team/ws"),
        ("WS://localhost:8080#top", "ws://localhost:8080/ws"),
        ("localhost:8080", "ws://localhost:8080/ws"),
        ("127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws"),
        ("[::1]:8080", "ws://[::1]:8080/ws"),
        ("ws://127.0.0.1:8080?binary=true", "ws://127.0.0.1:8080/ws?binary=true"),
    ],
)
def test_an_agent_is_found_by_every_address_that_users_copy(given: str, expected: str) -> None:
    assert find_url(given, Mode.AGENT, {}) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1:8080/functions/f", "http://127.0.0.1:8080/functions/f"),
        ("127.0.0.1:8080/functions/f", "http://127.0.0.1:8080/functions/f"),
        ("wss://example.com/functions/f", "https://example.com/functions/f"),
    ],
)
def test_a_function_is_called_over_http(given: str, expected: str) -> None:
    assert find_url(given, Mode.FUNCTION, {}) == expected


@pytest.mark.parametrize("given", ["ftp://x", "http://", "ws://x:port", "ws://x:99999", "http://["])
def test_an_invalid_url_is_refused_with_the_expected_form(given: str) -> None:
    with pytest.raises(NotFound, match=r"is not a valid URL.*expected ws://HOST:PORT/ws"):
        find_url(given, Mode.AGENT, {})


def test_a_name_is_waited_for_while_an_omnia_up_starts(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    agent = Serving("default", "late", Mode.AGENT, "ws://127.0.0.1:1/ws", "", {}, {})
    with announced(environ) as file:
        said: list[str] = []

        def start(text: str) -> None:
            said.append(text)
            announce(file, [replace(agent, state=AgentState.STARTING)])
            threading.Timer(0.1, announce, (file, [agent])).start()

        assert find("late", environ, start).url == agent.url
        assert said == ['waiting for "late", which `omnia up` is starting']
        with pytest.raises(NotFound, match=r"running: late"):
            find_url("other", Mode.AGENT, environ)


def test_an_omnia_up_that_begins_with_the_command_is_waited_for(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    agent = Serving("default", "late", Mode.AGENT, "ws://127.0.0.1:1/ws", "", {}, {})
    file = folder(environ) / f"{os.getpid()}.json"
    later = threading.Timer(0.1, announce, (file, [agent]))
    later.start()
    assert find_url("late", Mode.AGENT, environ) == agent.url
    later.join()


def test_an_agent_that_starts_too_long_is_told_apart_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnia_cli.connect.START_SECONDS", 0.0)
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with announced(environ), pytest.raises(NotFound, match=r'"late" has not started within 0 s'):
        find("late", environ, lambda _: None)


def test_an_agent_that_cannot_start_ends_the_wait(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with announced(environ) as file, pytest.raises(NotFound, match=r"running: nothing"):
        find("late", environ, lambda _: announce(file, []))


def of(namespace: str, port: int, mode: Mode = Mode.AGENT) -> Serving:
    return Serving(namespace, "twin", mode, f"ws://127.0.0.1:{port}/ws", "", {}, {})


def test_several_agents_of_a_name_are_never_guessed_at(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    agents = [of("default", 1), of("default", 2), of("shop", 3)]
    with announced(environ) as file:
        announce(file, agents)
        with pytest.raises(SeveralFound) as raised:
            find("twin", environ)
        assert find_url("shop/twin", Mode.AGENT, environ) == agents[2].url
    assert str(raised.value) == (
        '3 of the name "twin" run here: give the address of one: ws://127.0.0.1:1/ws,'
        " ws://127.0.0.1:2/ws, shop/twin"
    )


def test_a_command_means_what_it_can_talk_to(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    agents = [of("default", 1), of("shop", 2, Mode.FUNCTION)]
    with announced(environ) as file:
        announce(file, agents)
        assert find_url("twin", Mode.AGENT, environ) == agents[0].url
        assert find_url("twin", Mode.FUNCTION, environ) == agents[1].url


def test_a_long_list_of_what_runs_is_cut(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    agents = [
        Serving("default", f"a{number}", Mode.AGENT, "ws://127.0.0.1:1/ws", "", {}, {})
        for number in range(22)
    ]
    with announced(environ) as file:
        announce(file, agents)
        with pytest.raises(NotFound, match=r"a9 \(agent\), and 12 more, which `omnia ps` lists\."):
            find_url("other", Mode.AGENT, environ)


def test_a_name_is_not_taken_for_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnia_cli.connect._ANNOUNCE_SECONDS", 0.0)
    with pytest.raises(NotFound, match='no agent named "my'):
        find_url("my.agent", Mode.AGENT, {"XDG_STATE_HOME": str(tmp_path)})
