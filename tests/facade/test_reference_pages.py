"""The reference pages name what the code knows."""

from pathlib import Path

import pytest

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.functions.errors import STATUS, FunctionErrorCode
from omnia_facade.http.media import STATUS as MEDIA_STATUS
from omnia_facade.media.port import MediaErrorCode
from omnia_facade.ws.messages import KNOWN_TYPES

DOCS = Path(__file__).parents[2] / "docs/reference"


def rows(page: str) -> list[list[str]]:
    lines = (DOCS / page).read_text().splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]


@pytest.mark.parametrize("code", FunctionErrorCode)
def test_every_error_of_a_function_stands_with_its_status(code: FunctionErrorCode) -> None:
    assert [str(STATUS[code]), f"`{code}`"] in [row[:2] for row in rows("functions.md")]


@pytest.mark.parametrize("code", MediaErrorCode)
def test_every_error_of_an_upload_stands_with_its_status(code: MediaErrorCode) -> None:
    assert [str(MEDIA_STATUS[code]), f"`{code}`"] in [row[:2] for row in rows("media.md")]


@pytest.mark.parametrize("name", [*ErrorCode, *KNOWN_TYPES])
def test_every_message_type_and_error_code_has_a_row(name: str) -> None:
    assert f"`{name}`" in [row[0] for row in rows("websocket.md")]
