"""The pictures of the site are what Mermaid draws."""

import re
from collections.abc import Iterator

import pytest

from docs.site.picture_names import PICTURES, picture_name
from tests.browser.chromium import Chromium
from tests.browser.conftest import browser
from tests.browser.tab import Tab
from tests.docs.drawing import MERMAID, diagrams, draw, mermaid
from tests.docs.test_site import needs

__all__ = ["browser"]
TEXTS = [pytest.param(text, id=picture_name(text)) for _, text in diagrams()]


def words(svg: str) -> list[str]:
    """Return the words that a picture shows: their places depend on the fonts of a machine."""
    shown = re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL)
    return sorted(re.sub(r"<[^>]+>", " ", shown).split())


@pytest.fixture(scope="module")
def drawing(browser: Chromium) -> Iterator[Tab]:
    """A tab with Mermaid in it."""
    needs(MERMAID, "make test")
    with mermaid(browser) as tab:
        yield tab


@pytest.mark.parametrize("text", TEXTS)
def test_a_picture_shows_what_mermaid_draws(drawing: Tab, text: str) -> None:
    kept = (PICTURES / picture_name(text)).read_text(encoding="utf-8")
    drawn = draw(drawing, text)
    assert words(kept) == words(drawn)
    assert kept.count("<path") == drawn.count("<path")


@pytest.mark.parametrize("text", TEXTS)
def test_a_picture_has_a_title_and_refers_to_nothing_outside(text: str) -> None:
    kept = (PICTURES / picture_name(text)).read_text(encoding="utf-8")
    title = re.search(r"accTitle: (.+)", text)
    assert title
    assert title[1] in kept
    assert re.findall(r"""(?:href=|url\()["']?(?![#"'])(\S+)""", kept) == []
    assert "<script" not in kept
