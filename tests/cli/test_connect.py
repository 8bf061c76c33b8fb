"""The URL that a user gives to `omnia chat` and `omnia call`."""

import threading
from pathlib import Path

import pytest

from omnia_cli.connect import NotFound, find_url
from omnia_cli.local.report import Serving
from omnia_cli.running import announce, announced
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
        announce(file, [])
        later = threading.Timer(0.3, announce, (file, [agent]))
        later.start()
        assert find_url("late", Mode.AGENT, environ) == agent.url
        later.join()
        with pytest.raises(NotFound, match=r"running: late"):
            find_url("other", Mode.AGENT, environ)


def test_a_name_is_not_taken_for_a_url(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match='no agent named "my'):
        find_url("my.agent", Mode.AGENT, {"XDG_STATE_HOME": str(tmp_path)})
