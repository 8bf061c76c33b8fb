"""The pictures of the console are of states that its page has, and each is shown."""

import re
from pathlib import Path

from docs.site.picture_names import PICTURES
from tests.browser.conftest import browser, tab
from tests.browser.tab import Tab
from tests.docs.console_pictures import picture, served, sized, states

__all__ = ["browser", "tab"]
ROOT = Path(__file__).parents[2]


def test_every_picture_is_of_a_state_that_the_page_reaches(tab: Tab, tmp_path: Path) -> None:
    with served(tmp_path) as hub:
        sized(tab)
        taken = {f"console-{name}.png": picture(tab) for name in states(tab, hub)}
    assert all(each.startswith(b"\x89PNG") for each in taken.values())
    assert {each.name for each in PICTURES.glob("console-*.png")} == set(taken), "make pictures"


def test_every_picture_is_shown_with_a_text_for_those_who_do_not_see_it() -> None:
    pages = "\n".join(each.read_text() for each in (ROOT / "docs").rglob("*.md"))
    shown = re.findall(r"!\[([^\]]{20,})\]\(\.\./site/pictures/(console-[a-z]+\.png)\)", pages)
    assert {name for _, name in shown} == {each.name for each in PICTURES.glob("console-*.png")}
