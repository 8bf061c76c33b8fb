"""The files of a conversation in the inspector."""

import time
from pathlib import Path

from tests.browser.accessibility import needs_axe, violations
from tests.browser.chromium import LIMIT
from tests.browser.served import Served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import answered, opened

ROWS = "[...document.querySelectorAll('.files li')].map((each) => each.innerText)"
FILES = ".choice button:nth-child(3)"


def test_the_files_of_a_conversation_are_listed_and_saved(
    tab: Tab, agent: Served, tmp_path: Path
) -> None:
    needs_axe()
    note = tmp_path / "note.txt"
    note.write_text("a note")
    opened(tab, agent)
    tab.choose_files("#files", note)
    tab.say("picture")
    tab.until("document.querySelector('.media img')?.naturalWidth === 1")
    # What is sent with parts is answered by a script that says it again.
    tab.say("picture")
    answered(tab, 2)
    tab.click("#log .message.agent .inspect")
    tab.until_text("#inspector", "Turn 1 of 2")
    tab.click(FILES)
    tab.until_text("#inspector h2", "Files")
    assert str(tab.value("location.hash")).endswith("/t/1/files")
    rows = [str(each).splitlines() for each in tab.value(ROWS)]
    assert rows[0] == ["note.txt", "6 B, yours", "Save"]
    assert ["image/png", "70 B, of the answer", "Save"] in rows
    assert ["https://pictures.example/1.png"] in rows
    tab.until("document.querySelector('.files img')?.naturalWidth === 1")
    for scheme in ("light", "dark"):
        tab.prefer(scheme)
        assert violations(tab) == []
    link = "document.querySelector('.files li:first-child a')"
    tab.becomes(f"[{link}.download, {link}.protocol]", ["note.txt", "blob:"])
    # The policy of the page lets nothing read the address but a download, a picture, and the like.
    saved = tmp_path / "saved"
    tab.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(saved))
    tab.click(".files li:first-child a")
    began = time.monotonic()
    while (found := {each.name: each.read_text() for each in saved.glob("*.txt")}) != {
        "note.txt": "a note"
    }:
        assert time.monotonic() - began < LIMIT, found
        time.sleep(0.01)
    tab.press("Escape")
    tab.until("!document.getElementById('inspector')")


def test_files_have_an_address_before_there_are_any(tab: Tab, agent: Served) -> None:
    tab.open(f"{agent.page}#/files")
    tab.until_text("#inspector h2", "Files")
    assert tab.value(f"document.querySelector('{FILES}') === null")
    assert tab.value("document.querySelector('.choice [aria-pressed=true]').innerText") == "Files"
    tab.narrow(320)
    tab.becomes("document.documentElement.scrollWidth", 320)
