"""HTTP calls that are tried again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from omnia_core.files.tools import HTTPRetryPolicy
from omnia_runtime.tools.guarded import FAULTS
from omnia_runtime.tools.retry import RECONNECT, Backoff, HTTPRetry
from tests.runtime.scripted import http_tool
from tests.runtime.servers import serving
from tests.runtime.tooling import opened

POLICY = HTTPRetry.of(HTTPRetryPolicy(5, "100ms", 2.0, "1s"))


@pytest.mark.parametrize(
    ("attempt", "asked", "chance", "wait"),
    [
        (1, None, 0.5, 0.1),
        (2, None, 0.5, 0.2),
        (4, None, 0.5, 0.8),
        (5, None, 0.5, 1.0),
        (10_000, None, 0.5, 1.0),
        (1, None, 0.0, 0.09),
        (1, None, 1.0, 0.11),
        (1, 0.7, 0.0, 0.7),
        (1, 0.0, 0.0, 0.0),
        (1, 3600.0, 0.0, 1.0),
    ],
)
def test_waits_grow_to_their_limit_and_the_server_may_ask_for_one(
    attempt: int, asked: float | None, chance: float, wait: float
) -> None:
    assert POLICY.wait(attempt, asked, chance) == pytest.approx(wait)


def test_a_server_is_not_heard_where_the_policy_says_so() -> None:
    policy = HTTPRetry.of(HTTPRetryPolicy(5, "100ms", 2.0, "1s", respect_retry_after=False))
    assert policy.wait(1, 0.7, 0.5) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("backoff", "failures", "spread", "wait"),
    [
        (RECONNECT, 0, 0.0, 1.0),
        (RECONNECT, 1, 0.0, 1.0),
        (RECONNECT, 2, 0.0, 2.0),
        (RECONNECT, 6, 0.0, 32.0),
        (RECONNECT, 7, 0.0, 60.0),
        (RECONNECT, 10_000, 0.0, 60.0),
        (RECONNECT, 2, 1.0, 1.5),
        (RECONNECT, 7, 0.5, 52.5),
        (Backoff(0.5, 100.0, 3.0), 3, 0.0, 4.5),
    ],
)
def test_waits_for_a_server_that_is_away_grow_and_are_spread(
    backoff: Backoff, failures: int, spread: float, wait: float
) -> None:
    assert backoff.wait(failures, spread) == pytest.approx(wait)


def test_a_policy_is_read_as_it_is_written() -> None:
    policy = HTTPRetryPolicy(4, "2s", 0.5, "9s", (502, 503), respect_retry_after=False)
    assert HTTPRetry.of(policy) == HTTPRetry(
        4, 2.0, 1.0, 9.0, frozenset({502, 503}), network=True, respect=False
    )
    assert HTTPRetry.of(HTTPRetryPolicy(1)).attempts == 1
    assert HTTPRetry.of(None) == HTTPRetry(
        1, 0.0, 1.0, 0.0, frozenset(), network=False, respect=False
    )
    with pytest.raises(ValueError, match="maxAttempts has to be 1 or more"):
        HTTPRetry.of(HTTPRetryPolicy(0))


class Flaky:
    """Answers with one status after the other, then well; 0 breaks the connection."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = headers
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            assert request.transport
            request.transport.abort()
        return web.json_response(
            {"n": len(self.bodies)}, status=status or 200, headers=self.headers
        )


def retried(url: str, attempts: int = 3, **policy: Any) -> dict[str, Any]:
    """A handler that tries again."""
    times = {"maxAttempts": attempts, "initialBackoff": "1ms", "maxBackoff": "10ms"}
    return http_tool(url, retryPolicy=times | policy)


@pytest.mark.parametrize(
    ("statuses", "policy", "calls", "good"),
    [
        ([503, 429], {}, 3, True),
        ([0, 0], {}, 3, True),
        ([503, 503, 503], {}, 3, False),
        ([400], {}, 1, False),
        ([501], {}, 1, False),
        ([501], {"retryOn": [501]}, 2, True),
        ([503], {"retryOn": [501]}, 1, False),
        ([0], {"retryOnNetworkError": False}, 1, False),
    ],
)
async def test_a_call_is_tried_again_as_its_policy_says(
    tmp_path: Path, statuses: Sequence[int], policy: dict[str, Any], calls: int, good: bool
) -> None:
    server = Flaky(*statuses)
    async with serving(server) as url, opened(tmp_path, retried(url, **policy)) as tools:
        result = await tools.call(a=1)
    assert result.is_error is not good
    assert server.bodies == [b'{"a":1}'] * calls


async def test_without_a_policy_there_is_one_attempt(tmp_path: Path) -> None:
    server = Flaky(503)
    async with serving(server) as url, opened(tmp_path, http_tool(url)) as tools:
        assert (await tools.call()).is_error
    assert len(server.bodies) == 1


@pytest.mark.parametrize("asked", ["3600", "Wed, 21 Oct 2150 07:28:00 GMT"])
async def test_a_server_cannot_ask_for_more_than_the_longest_wait(
    tmp_path: Path, asked: str
) -> None:
    server = Flaky(503, headers={"HTTPRetry-After": asked})
    async with serving(server) as url, opened(tmp_path, retried(url)) as tools:
        assert not (await tools.call()).is_error
    assert len(server.bodies) == 2


async def test_a_wait_that_leads_past_the_timeout_is_not_begun(tmp_path: Path) -> None:
    server = Flaky(503)
    handler = retried("", initialBackoff="1h", maxBackoff="1h")
    async with serving(server) as url:
        handler["httpConfig"]["endpoint"] = url
        async with opened(tmp_path, handler) as tools:
            result = await tools.call()
    assert "HTTP 503" in result.content


async def test_a_server_that_keeps_failing_is_left_alone_and_the_model_is_told(
    tmp_path: Path,
) -> None:
    bad, good = Flaky(*[503] * 100), Flaky()
    async with (
        serving(bad) as bad_url,
        serving(good) as good_url,
        opened(tmp_path, retried(bad_url), http_tool(good_url, "other")) as tools,
    ):
        for _ in range(FAULTS):
            assert "HTTP 503" in (await tools.call()).content
        # a reload forgets nothing
        tools.write(retried(bad_url), http_tool(good_url, "other"), http_tool(good_url, "more"))
        assert "unavailable until" in (await tools.call()).content
        assert not (await tools.call("other")).is_error
    assert len(bad.bodies) == 3 * FAULTS


async def test_a_server_that_refuses_calls_stays_available(tmp_path: Path) -> None:
    server = Flaky(*[404] * (2 * FAULTS))
    async with serving(server) as url, opened(tmp_path, http_tool(url)) as tools:
        for _ in range(2 * FAULTS):
            assert "HTTP 404" in (await tools.call()).content
        assert not (await tools.call()).is_error


@pytest.mark.parametrize("policy", [{"maxAttempts": 0}, {"initialBackoff": "soon"}])
async def test_a_policy_that_is_wrong_is_named(tmp_path: Path, policy: dict[str, Any]) -> None:
    async with opened(tmp_path, retried("http://x", **policy)) as tools:
        assert "lookup-handler" in tools.problems
        assert tools.names == []
