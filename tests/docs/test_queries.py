"""The queries that the pages show are asked of sessions that were held."""

import sqlite3
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.test_pages_typed import Reader, reader

__all__ = ["reader"]
pytestmark = pytest.mark.timeout(600)


def test_the_query_of_the_page_reads_a_session_file(reader: Reader, tmp_path: Path) -> None:
    (query,) = (
        block.text
        for block in blocks(ROOT / "docs/reference/sessions.md")
        if block.language == "sql" and block.heading == "SQLite"
    )
    reader.start("omnia up -f examples/support-agent")
    reader.run('omnia chat support-agent "hello"')
    (file,) = (tmp_path / "state").rglob("sessions.db")
    renamed = query.replace("'support'", "'support-agent'")
    with sqlite3.connect(file) as connection:
        rows = connection.execute(renamed).fetchall()
    assert len(rows) > 1, query
