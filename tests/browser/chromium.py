"""A headless Chromium, driven over its DevTools protocol."""

import contextlib
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from websockets.sync.client import ClientConnection, connect

from tests.services import ends_with_us

LIMIT = 150.0
# Parts of a window that are pages themselves, in processes that are started for each tab, although
# no test sees them: half of what a tab costs.
_WINDOW = (
    "PreloadTopChromeWebUI",
    "SpareRendererForSitePerProcess",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
)
# Root has no sandbox; nothing of the rest may talk to the network by itself.
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    f"--disable-features={','.join(_WINDOW)}",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1100,800",
)
# Chromium without windows, which costs half. Debian's script in PATH passes no signal on to it.
_SHELL = "/usr/lib/chromium/chromium-headless-shell"
_ANNOUNCED = "DevTools listening on "


class Chromium:
    """The browser, as its protocol shows it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._events: dict[str, list[dict[str, Any]]] = {}

    def send(self, method: str, session: str | None = None, **params: Any) -> Any:
        """Call a method and return its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        self._socket.send(
            orjson.dumps({**message, "sessionId": session} if session else message).decode()
        )
        while True:
            received = orjson.loads(self._socket.recv(LIMIT))
            if received.get("id") == number:
                assert "error" not in received, (method, received["error"])
                return received["result"]
            if "sessionId" in received:
                self._events.setdefault(received["sessionId"], []).append(received)

    def events(self, session: str) -> list[dict[str, Any]]:
        """Return what happened in a tab until now."""
        self.send("Runtime.evaluate", session, expression="0")
        return self._events.get(session, [])

    @contextlib.contextmanager
    def target(self) -> Iterator[str]:
        """Open a tab with an empty profile; yield the session in which it is talked to."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        # Nobody can answer questions; a browser with windows lets a page write after a click.
        self.send(
            "Browser.grantPermissions",
            browserContextId=context,
            permissions=["clipboardSanitizedWrite"],
        )
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        try:
            yield attached["sessionId"]
        finally:
            self.send("Target.disposeBrowserContext", browserContextId=context)


def headless() -> str | None:
    """Find the browser that needs the least of a processor."""
    names = (_SHELL, "chromium-headless-shell", "chromium")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def chromium(program: str, profile: Path) -> Iterator[Chromium]:
    """Run a browser."""
    command = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        ends_with_us(*command), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert process.stderr
        said = b""
        while not (line := process.stderr.readline()).startswith(_ANNOUNCED.encode()):
            assert line, f"Chromium ended: {said.decode()}"
            said += line
        address = line.decode().removeprefix(_ANNOUNCED).strip()
        with connect(address, max_size=None, compression=None) as socket:
            yield Chromium(socket)
    finally:
        process.terminate()
        process.wait(LIMIT)
        if process.stderr:
            process.stderr.close()
