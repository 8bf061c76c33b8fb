"""A page in the browser, used as a person does."""

import json
from pathlib import Path
from typing import Any

from tests.browser.chromium import LIMIT, Chromium

# Returns the middle of an element that can be clicked and has not moved since the last look: what
# is recorded of an answer, for one, comes after the answer, and what is below it moves.
_STILL = """(selector) => {
  const found = document.querySelector(selector);
  if (!found || found.disabled) return null;
  found.scrollIntoView({block: 'center'});
  const box = found.getBoundingClientRect();
  if (!box.width) return null;
  const middle = [box.x + box.width / 2, box.y + box.height / 2];
  const top = document.elementFromPoint(...middle);
  if (!top || !(found.contains(top) || top.contains(found))) return null;
  const before = window.lastLooked;
  const now = performance.now();
  const moved = !before || before.found !== found || String(before.middle) !== String(middle);
  if (moved) window.lastLooked = {found, middle, since: now};
  if (moved || now - before.since < 60) return null;
  window.clicked = 'nothing';
  document.addEventListener(
    'click',
    ({target}) => { window.clicked = target === top || found.contains(target) ? 'it' : 'another'; },
    {capture: true, once: true},
  );
  return middle;
}"""

# Tells what was clicked. A page that was left by the click has no such variable.
_CLICKED = """new Promise((resolve) => {
  const end = performance.now() + 2000;
  const look = () => {
    if (window.clicked !== 'nothing' || performance.now() > end) resolve(window.clicked ?? 'it');
    else setTimeout(look, 15);
  };
  look();
})"""


class Tab:
    """A page, used as a person does."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def send(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol."""
        return self._browser.send(method, self._session, **params)

    def open(self, url: str) -> None:
        """Go to an address and wait until its script has run."""
        self.send("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return what an expression of the page gives."""
        found = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression of the page is true, and return it."""
        waiting = f"""new Promise((resolve) => {{
            const end = performance.now() + {LIMIT * 600};
            const look = () => {{
                let found = null;
                try {{ found = {expression}; }} catch {{ }}
                if (found || performance.now() > end) resolve(found instanceof Node ? true : found);
                else setTimeout(look, 15);
            }};
            look();
        }})"""
        try:
            found = self.value(waiting)
        except AssertionError:
            # The page was left while it was asked.
            found = self.value(waiting)
        assert found, f"never true: {expression}; the page says {self.text('body')!r}"
        return found

    def becomes(self, expression: str, expected: str | bool | int | list[Any]) -> None:
        """Wait until an expression of the page gives this.

        The page may draw what a person has done a moment later: a single look is a race.
        """
        written = json.dumps(expected, separators=(",", ":"), ensure_ascii=False)
        self.until(f"JSON.stringify({expression}) === {json.dumps(written)}")

    def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        found = self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return str(found)

    def until_text(self, selector: str, text: str) -> None:
        """Wait until an element shows a text."""
        place = f"document.querySelector({json.dumps(selector)})?.innerText"
        self.until(f"{place}.includes({json.dumps(text)})")

    def click(self, selector: str) -> None:
        """Click into the middle of an element, with a mouse, once it stands still and is on top."""
        for _ in range(5):
            box = self.until(f"({_STILL})({json.dumps(selector)})")
            for kind in ("mousePressed", "mouseReleased"):
                self.send(
                    "Input.dispatchMouseEvent",
                    type=kind,
                    x=box[0],
                    y=box[1],
                    button="left",
                    clickCount=1,
                )
            # On a busy machine the page may move between the look and the mouse, or while it is
            # pressed.
            if self._clicked() == "it":
                return
        raise AssertionError(f"{selector} does not stand still for a click")

    def _clicked(self) -> str:
        try:
            return str(self.value(_CLICKED))
        except AssertionError:  # the page was left while it was asked
            return "it"

    def fill(self, selector: str, text: str) -> None:
        """Replace what is in a field by a text."""
        self.click(selector)
        self.value(f"document.querySelector({json.dumps(selector)}).select()")
        self.send("Input.insertText", text=text)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key: Enter, Escape, Tab or ArrowUp."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowUp": 38}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.send("Input.dispatchKeyEvent", type="keyDown", **shared, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **shared)

    def arrow(self, key: str) -> None:
        """Press an arrow: ArrowLeft, ArrowUp, ArrowRight or ArrowDown."""
        code = 37 + ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"].index(key)
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def alt(self, code: str, key: str) -> None:
        """Press a key together with Alt."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, modifiers=1)

    def sign(self, text: str) -> None:
        """Press the key of a printable character."""
        self.send("Input.dispatchKeyEvent", type="keyDown", key=text, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=text)

    def say(self, text: str) -> None:
        """Send a message as a person does."""
        self.fill("#message", text)
        self.press("Enter")

    def choose(self, selector: str, text: str) -> None:
        """Choose the option with this text, as its select tells the page."""
        self.until(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f" const index = [...e.options].findIndex((o) => o.text === {json.dumps(text)});"
            " if (index < 0) return false; e.selectedIndex = index;"
            " for (const type of ['input', 'change'])"
            " e.dispatchEvent(new Event(type, {bubbles: true})); return true; })()"
        )

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Put files into a file input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def prefer(self, scheme: str) -> None:
        """Have the person prefer a dark or a light page."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def narrow(self, width: int) -> None:
        """Show the page on a small screen."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=640,
            deviceScaleFactor=1,
            mobile=True,
        )

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """Return what happened: the parameters of DevTools' events."""
        return [
            each["params"]
            for each in self._browser.events(self._session)
            if each["method"] in methods
        ]

    @property
    def requested(self) -> list[str]:
        """Every address that the page asked for."""
        http = self.events("Network.requestWillBeSent")
        sockets = self.events("Network.webSocketCreated")
        return [each["request"]["url"] for each in http] + [each["url"] for each in sockets]

    @property
    def faults(self) -> list[str]:
        """What went wrong in the page: exceptions, violations of its policy."""
        thrown = self.events("Runtime.exceptionThrown")
        logged = [each["entry"] for each in self.events("Log.entryAdded")]
        return [str(each["exceptionDetails"]) for each in thrown] + [
            each["text"] for each in logged if each["source"] in {"security", "violation"}
        ]

    def controls(self) -> list[tuple[str, str]]:
        """Return role and name of what a person can use, as assistive technology sees them."""
        roles = {
            "button",
            "textbox",
            "combobox",
            "checkbox",
            "link",
            "listbox",
            "DisclosureTriangle",
            "spinbutton",
        }
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "").strip())
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in roles
        ]
