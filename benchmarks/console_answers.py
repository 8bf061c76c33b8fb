"""How smoothly the console draws long answers: `make bench-console`.

An answer of 170 KB arrives 2,000 pieces a second in a headless Chromium, while the page counts the
tasks of more than 50 ms (as the Long Tasks API defines them) and the longest time between two
frames. Hostile Markdown arrives at once. On a busy machine the figures are those of the machine.
"""

# ruff: noqa: ARG002 - the method is that of the scripted runtime

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.chromium import chromium
from tests.browser.served import PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.browser.test_agent_page import SETTLED
from tests.browser.test_markdown import HOSTILE
from tests.facade.scripted_runtime import Requests, chunk, done

SIZE = 170_000
A_SECOND = 2000
# So many pieces are sent together: a timer is no finer than some milliseconds.
TOGETHER = 20
LONG_MS = 50
HOSTILE_MS = 200

_PARAGRAPH = (
    "The **desk** is *on its way*, see [the order](https://example.com/a) and `lookup_order`. "
    "It was packed in the morning and leaves in the afternoon.\n\n"
)
ANSWERS = {
    "paragraphs": _PARAGRAPH,
    "a block of code": "    total = price * count  # of one order\n",
    "a list": "- the *desk* is on its way\n",
    "a table": "| A-1001 | oak desk | 12 March |\n",
    "a list with definitions": "- the desk is [on its way]\n",
    "a list that is loose at last": "- the *desk* is on its way\n",
}
_BEFORE = {"a block of code": "```py\n", "a table": "| a | b | c |\n|---|---|---|\n"}
_AFTER = {
    "a list with definitions": "\n[on its way]: https://example.com/a\n",
    "a list that is loose at last": "\n- the last one\n",
}
# Tasks of more than 50 ms, and the time between two frames, both in milliseconds.
_WATCH = """(() => {
  const seen = window.seen = {tasks: [], frame: 0};
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) seen.tasks.push(each.duration);
  }).observe({type: 'longtask'});
  let last = performance.now();
  const look = (now) => {
    seen.frame = Math.max(seen.frame, now - last);
    last = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""


class LongAnswers(PageRuntime):
    """Answers with a long text by its name in pieces, and with hostile text by its name at once."""

    async def _turn(
        self, request: pb.ClientMessage, requests: Requests, context: Any
    ) -> AsyncIterator[pb.ServerMessage]:
        if text := HOSTILE.get(request.content):
            yield chunk(text)
            yield done(text)
            return
        text = answer(request.content)
        length = SIZE // (A_SECOND * 2)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number, at in enumerate(range(0, len(text), length)):
            yield chunk(text[at : at + length])
            if number % TOGETHER == 0:
                due += TOGETHER / A_SECOND
                await asyncio.sleep(max(0.0, due - loop.time()))
        yield done(text)


def answer(name: str) -> str:
    """Return the long answer of a name."""
    line = ANSWERS[name]
    return _BEFORE.get(name, "") + line * (SIZE // len(line)) + _AFTER.get(name, "")


def main() -> None:
    """Print a line for each answer."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is not on this machine; install it: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile, chromium(program, Path(profile)) as browser:
        for name in (*ANSWERS, *HOSTILE):
            with browser.target() as session, served(LongAnswers()) as agent:
                tasks, frame = _drawn(Tab(browser, session), agent, name)
            goal = LONG_MS if name in ANSWERS else HOSTILE_MS
            print(
                f"{name}: {len(tasks)} tasks over {LONG_MS} ms, the longest"
                f" {max(tasks, default=0):.0f} ms; longest time between frames {frame:.0f} ms;"
                f" goal {goal} ms: {'met' if max(tasks, default=0) <= goal else 'missed'}",
                flush=True,
            )


def _drawn(tab: Tab, agent: Served, name: str) -> tuple[list[float], float]:
    """Return the long tasks while an answer was drawn, and the longest time between frames; ms."""
    tab.open(agent.page)
    tab.until_text("#state", "Connected")
    tab.value(_WATCH)
    tab.say(name)
    tab.until(f"{SETTLED} === 1")
    seen = tab.value("seen")
    return seen["tasks"], seen["frame"]


if __name__ == "__main__":
    main()
