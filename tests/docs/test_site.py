"""The site as its readers get it: built from the pages, and opened in a browser."""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from docs.site.navigation import CONTENTS, HOME
from tests.browser.accessibility import needs_axe, violations
from tests.browser.conftest import browser, tab
from tests.browser.tab import Tab
from tests.conftest import IN_CI
from tests.docs.blocks import PAGES, ROOT

__all__ = ["browser", "tab"]
pytestmark = pytest.mark.timeout(900)
PYTHON = ROOT / ".venv-docs/bin/python"
SECONDS = 120.0
# One page of each shape: cards, code, wide tables, pictures, long lists.
SHAPES = (
    "docs/README",
    "docs/tutorials/first-tool",
    "docs/how-to/troubleshooting",
    "docs/explanation/concepts",
    "docs/reference/provider",
)


def needs(path: Path, command: str) -> None:
    """Skip, or fail in CI, where something has not been installed."""
    if not path.exists():
        reason = f"{path.relative_to(ROOT)} is missing; install it: {command}"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass
class Links(HTMLParser):
    """What a page links to, what it loads, and which anchors it has."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        self.anchors |= {named[key] for key in ("id", "name") if key in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        self.loads += [named["src"]] if "src" in named else []
        self.loads += [named["href"]] if tag == "link" and "href" in named else []

    @classmethod
    def of(cls, text: str) -> "Links":
        """Read a page."""
        found = cls()
        found.feed(text)
        return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` writes it; the processes of a test run share one."""
    needs(PYTHON, "make docs")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "site/docs"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "index.html").exists():
            done = subprocess.run(
                ["make", "--silent", "docs", f"DOCS={folder}"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def read(site: Path) -> dict[str, Links]:
    """Every page of the site by its path."""
    return {
        str(file.relative_to(site)): Links.of(file.read_text(encoding="utf-8"))
        for file in sorted(site.rglob("*.html"))
    }


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def resolved(page: str, link: str) -> tuple[str, str]:
    """Return the page and the anchor that a link of a page leads to."""
    parts = urlsplit(link)
    path = os.path.normpath(Path(page).parent / unquote(parts.path)) if parts.path else page
    return path, unquote(parts.fragment)


def internal(link: str) -> bool:
    return not urlsplit(link).scheme and not link.startswith("/")


def test_every_page_is_there(read: dict[str, Links]) -> None:
    wanted = {str(page.relative_to(ROOT).with_suffix(".html")) for page in PAGES}
    assert len(wanted) > 80
    assert read.keys() == wanted | {"index.html", "404.html", "search.html"}


def test_every_page_can_be_reached_from_the_navigation(site: Path, read: dict[str, Links]) -> None:
    text = (site / f"{HOME}.html").read_text(encoding="utf-8")
    tree = text.partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    links = [link for link in Links.of(tree).links if internal(link)]
    found = [resolved(f"{HOME}.html", link)[0] for link in links]
    assert sorted(set(found)) == sorted(found), "no page is there twice"
    others = {f"{HOME}.html", "index.html", "404.html", "search.html"}
    assert set(found) | others == read.keys()
    for section in CONTENTS[HOME]:
        assert section.title in tree


def test_every_link_leads_to_a_page_and_to_an_anchor(site: Path, read: dict[str, Links]) -> None:
    broken = []
    checked = 0
    for page, found in read.items():
        for link in filter(internal, found.links):
            target, anchor = resolved(page, link)
            checked += bool(anchor)
            there = (site / target).is_file()
            if not there or (anchor and anchor not in read[target].anchors):
                broken.append((page, link))
    assert broken == []
    assert checked > 500


def test_no_page_loads_anything_from_elsewhere(site: Path, read: dict[str, Links]) -> None:
    loaded = {(page, each) for page, found in read.items() for each in found.loads}
    assert {each for each in loaded if not internal(each[1])} == set()
    assert {each for each in loaded if not (site / resolved(*each)[0]).is_file()} == set()


def test_the_site_is_small(site: Path) -> None:
    shared = sum(file.stat().st_size for file in (site / "_static").rglob("*") if file.is_file())
    assert shared < 700_000
    whole = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    assert whole < 16_000_000


def test_a_broken_link_an_unknown_anchor_and_a_page_that_no_section_has_are_errors(
    tmp_path: Path,
) -> None:
    needs(PYTHON, "make docs")
    for page in (*PAGES, *(ROOT / "docs/site").rglob("*.*"), ROOT / "LICENSE"):
        copy = tmp_path / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if page.is_file():
            shutil.copy(page, copy)
    # Links of the pages to folders and files of the code stay what they are.
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)", page.read_text(encoding="utf-8")):
            there = (page.parent / link).resolve()
            copy = tmp_path / there.relative_to(ROOT)
            (copy if there.is_dir() else copy.parent).mkdir(parents=True, exist_ok=True)
            if there.is_file():
                copy.touch()
    faq = tmp_path / "docs/explanation/faq.md"
    with faq.open("a") as text:
        text.write("\n[a](nowhere.md) [b](security.md#nowhere) [c](../nowhere/)\n")
        text.write("\n```mermaid\nflowchart LR\n  a --> b\n```\n")
    (tmp_path / "docs/other").mkdir()
    (tmp_path / "docs/other/orphan.md").write_text("# Orphan\n")
    (tmp_path / "docs/how-to/new.md").write_text("# A new page\n")
    done = subprocess.run(
        [PYTHON, "-m", "sphinx", "--quiet", "--fail-on-warning", "-c", "docs/site", ".", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    for fault in (
        "'myst' cross-reference target not found: 'nowhere.md'",
        "local id not found in doc 'docs/explanation/security': 'nowhere'",
        "'myst' cross-reference target not found: '../nowhere/'",
        "no picture of its present text: run `make pictures`",
        "orphan.md: WARNING: document isn't included in any toctree",
    ):
        assert fault in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 5, done.stderr
    assert "A new page" in (tmp_path / f"out/{HOME}.html").read_text(encoding="utf-8")


def test_every_page_opens_on_a_phone_and_asks_nobody_else(
    tab: Tab, address: str, read: dict[str, Links]
) -> None:
    tab.narrow(375)
    wide = []
    for page in read:
        if page == "index.html":
            continue
        tab.open(f"{address}/{page}")
        if tab.value("document.documentElement.scrollWidth") > 375:
            wide.append(page)
    assert wide == []


def test_the_first_page_leads_to_the_documentation(tab: Tab, address: str) -> None:
    tab.send("Page.navigate", url=f"{address}/")
    tab.until_text("h1", "Documentation")


@pytest.mark.parametrize("served", [True, False], ids=["from a server", "from a folder"])
def test_a_reader_finds_a_word(tab: Tab, address: str, site: Path, served: bool) -> None:
    base = address if served else site.as_uri()
    tab.open(f"{base}/docs/how-to/install.html")
    tab.fill(".sidebar-search", "SecretKeyMissing")
    tab.press("Enter")
    tab.until_text("#search-results", "Troubleshooting")
    link = "document.querySelector('#search-results a')"
    assert str(tab.value(f"{link}.href")).startswith(base)


@pytest.mark.parametrize("page", SHAPES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_the_page(tab: Tab, address: str, page: str, scheme: str) -> None:
    needs_axe()
    tab.prefer(scheme)
    tab.open(f"{address}/{page}.html")
    ground = tab.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.strip("rgb()").split(",")[:3])) < 300) == (scheme == "dark")
    assert violations(tab) == []


def test_a_page_that_is_not_there_says_so_at_any_address(read: dict[str, Links]) -> None:
    assert read["404.html"].loads == []
    assert all(link.startswith("/") for link in read["404.html"].links)
