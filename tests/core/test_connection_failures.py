"""The sentences for failed connections."""

import socket
import ssl

import pytest

from omnia_core.connection_failures import (
    UNREACHABLE,
    causes_of,
    is_named,
    network_problem,
    shown_address,
    status_problem,
)


def test_causes_are_found_in_chains_and_groups_without_end() -> None:
    inner = socket.gaierror("no such name")
    middle = ExceptionGroup("several", [ValueError("other"), inner])
    middle.__context__ = outer = RuntimeError("wrapped")
    outer.__cause__ = middle
    assert list(causes_of(outer)) == [outer, middle, middle.exceptions[0], inner]
    assert list(causes_of(None)) == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (socket.gaierror(), "has an unknown host name"),
        (ssl.SSLError(), "has an untrusted certificate"),
        (ConnectionRefusedError(), UNREACHABLE),
        (ValueError(), ""),
    ],
)
def test_a_network_failure_says_what_to_correct(error: Exception, problem: str) -> None:
    assert network_problem([error]).startswith(problem)
    assert bool(network_problem([error])) == bool(problem)


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, "refused the credential (status 401): correct auth or its Secret"),
        (404, "has nothing at this path (status 404): correct spec.url"),
        (500, "answered with status 500: check its logs"),
    ],
)
def test_a_status_says_what_to_correct(status: int, problem: str) -> None:
    assert status_problem(status, "spec.url") == problem


def test_an_error_of_a_library_is_recognized_by_the_name_of_its_class() -> None:
    assert is_named(ConnectionRefusedError(), "Connection")
    assert not is_named(ValueError(), "Connection")


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown_address("https://user:pw@shop:1/a?key=x#y") == "https://shop:1/a"
    assert shown_address("user:pw@shop:1") == "shop:1"
