"""Two facades of one agent, with their sessions in a store that both share."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from omnia_core.env import SecretStr
from omnia_core.env.shared import SessionType
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.runtime.scripted import Mounted

SERVERS = {"redis": "redis_url", "postgres": "postgres", "mongodb": "mongo"}
# For tests that are about the pods and not about what their store does.
one_store = pytest.mark.parametrize("shared_store", ["redis"], indirect=True)


@dataclass(frozen=True)
class SharedStore:
    """A store of sessions, as programs are told of it."""

    environment: dict[str, str]
    settings: dict[str, Any]


@pytest.fixture(scope="module", params=[*SERVERS])
def shared_store(request: pytest.FixtureRequest) -> SharedStore:
    server = request.getfixturevalue(SERVERS[request.param])
    url = server if isinstance(server, str) else server.url
    return SharedStore(
        {"OMNIA_SESSION_TYPE": request.param, "OMNIA_SESSION_URL": url},
        {"session_type": SessionType(request.param), "session_url": SecretStr(url)},
    )


@pytest.fixture(scope="module")
def stored_runtime(
    shared_store: SharedStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mounted]:
    """A runtime with its sessions in the store."""
    folder = tmp_path_factory.mktemp("runtime")
    with bed.mock_runtime(folder, **shared_store.environment) as mounted:
        yield mounted


@pytest.fixture
async def pods(
    stored_runtime: Mounted, shared_store: SharedStore
) -> AsyncIterator[tuple[Running, Running]]:
    """Two facades of one agent."""
    settings = {**shared_store.settings, "pod_address": "127.0.0.1"}
    async with (
        bed.doors(stored_runtime, **settings) as one,
        bed.doors(stored_runtime, **settings) as two,
    ):
        yield one, two
