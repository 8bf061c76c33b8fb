"""What the tests of the history share."""

import asyncio

import pytest

from tests.history.history_bed import fill
from tests.services import PostgresServer


@pytest.fixture(scope="session")
def filled(postgres: PostgresServer) -> str:
    """Return a database with five sessions of three agents, and one of another namespace."""
    return asyncio.run(fill(postgres))
