"""What the tests of the history share."""

import asyncio
import uuid

import pytest

from tests.history.history_bed import database, file_in, fill
from tests.services import MongoServer

KINDS = ["postgres", "sqlite", "mongodb"]


def empty_database(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without tables, of the kind that the parameter names."""
    if request.param == "sqlite":
        return file_in(request.getfixturevalue("tmp_path_factory").mktemp("history"))
    if request.param == "mongodb":
        server: MongoServer = request.getfixturevalue("mongo")
        return server.url.replace("/omnia", f"/history_{uuid.uuid4().hex[:8]}")
    return asyncio.run(database(request.getfixturevalue("postgres"), "history"))


@pytest.fixture(scope="session", params=KINDS)
def filled(request: pytest.FixtureRequest) -> str:
    """Return a database with five sessions of three agents, and one of another namespace."""
    return asyncio.run(fill(empty_database(request)))


@pytest.fixture(scope="module", params=KINDS)
def empty(request: pytest.FixtureRequest) -> str:
    """Return a database without tables."""
    return empty_database(request)


@pytest.fixture(params=KINDS)
def own(request: pytest.FixtureRequest) -> str:
    """Return a database without tables, of one test alone."""
    return empty_database(request)
