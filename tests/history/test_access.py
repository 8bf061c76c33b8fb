"""Who may read the history."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from omnia_core.tokens.jwt import Unauthorized
from omnia_history.access import RETRY_SECONDS, Access, ClusterKeys, fetch_cluster_keys
from omnia_history.postgres import PostgresDatabase
from omnia_history.routes import Routes
from tests.facade.signing import Issuer
from tests.operator.openid import serving

AUDIENCE = "omnia://default/history"
ACCOUNT = "system:serviceaccount:default:auditor"


@pytest.fixture
def cluster() -> tuple[Issuer, Access]:
    issuer = Issuer("https://kubernetes.default.svc").add("k1")

    async def fetch() -> ClusterKeys:
        return ClusterKeys(issuer.url, tuple(issuer.keys))

    return issuer, Access("default", ("audit",), fetch)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_service_account_of_the_namespace_may_read(
    cluster: tuple[Issuer, Access],
) -> None:
    issuer, access = cluster
    assert await access.check(bearer(issuer.sign("k1", AUDIENCE, sub=ACCOUNT))) == ACCOUNT
    other = "system:serviceaccount:audit:nightly"
    assert await access.check(bearer(issuer.sign("k1", AUDIENCE, sub=other))) == other


@pytest.mark.parametrize(
    ("audience", "claims", "says"),
    [
        ("omnia://default/shop", {}, "for another audience"),
        ("omnia://other/history", {}, "for another audience"),
        ("https://kubernetes.default.svc", {}, "not issued by this cluster"),
        (AUDIENCE, {"sub": "system:serviceaccount:shop:x"}, "tokenNamespaces"),
        (AUDIENCE, {"sub": "mia"}, "not the token of a ServiceAccount"),
        (AUDIENCE, {"exp": int(time.time()) - 3600}, "expired"),
        (AUDIENCE, {"iss": "https://elsewhere.example"}, "not issued by this cluster"),
    ],
)
async def test_other_tokens_are_refused(
    cluster: tuple[Issuer, Access], audience: str, claims: dict[str, object], says: str
) -> None:
    issuer, access = cluster
    token = issuer.sign("k1", audience, **{"sub": ACCOUNT, **claims})
    with pytest.raises(Unauthorized, match=says):
        await access.check(bearer(token))


async def test_without_keys_nobody_is_let_in_and_old_keys_outlive_an_outage() -> None:
    issuer, now, away = Issuer("https://kubernetes.default.svc").add("k1"), 0.0, True

    async def fetch() -> ClusterKeys:
        if away:
            raise OSError("gone")
        return ClusterKeys(issuer.url, tuple(issuer.keys))

    access = Access("default", (), fetch, lambda: now)
    token = bearer(issuer.sign("k1", AUDIENCE, sub=ACCOUNT))
    with pytest.raises(Unauthorized, match="cannot check credentials"):
        await access.check(token)
    away = False
    with pytest.raises(Unauthorized, match="cannot check credentials"):
        await access.check(token)
    now = RETRY_SECONDS
    await access.check(token)
    away, now = True, 1000.0
    await access.check(token)


async def test_those_who_ask_while_the_keys_are_fetched_wait_for_them() -> None:
    issuer, asked = Issuer("https://kubernetes.default.svc").add("k1"), 0
    began, answer = asyncio.Event(), asyncio.Event()

    async def fetch() -> ClusterKeys:
        nonlocal asked
        asked += 1
        began.set()
        await answer.wait()
        return ClusterKeys(issuer.url, tuple(issuer.keys))

    access = Access("default", (), fetch)
    token = bearer(issuer.sign("k1", AUDIENCE, sub=ACCOUNT))
    checks = [asyncio.create_task(access.check(token)) for _ in range(5)]
    async with asyncio.timeout(10):
        await began.wait()
        answer.set()
        assert await asyncio.gather(*checks) == [ACCOUNT] * 5
    assert asked == 1


async def test_the_keys_are_those_that_the_cluster_publishes(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the pod's own")
    async with serving() as provider:
        access = Access("default", (), partial(fetch_cluster_keys, provider.url, tmp_path))
        token = provider.issuer.sign("p1", AUDIENCE, sub=ACCOUNT)
        assert await access.check(bearer(token)) == ACCOUNT


async def test_the_api_answers_nobody_without_a_token(cluster: tuple[Issuer, Access]) -> None:
    database = PostgresDatabase("postgresql://nobody@127.0.0.1:1/none")
    routes = Routes(database, "default", cluster[1])
    async with TestClient(TestServer(routes.application())) as client:
        for path in ("sessions", "sessions/x/messages", "aggregates", "none"):
            async with client.get(f"/api/v1/{path}") as response:
                assert response.status == 401
                assert AUDIENCE in (await response.json())["detail"]
