"""A program whose turns are killed, each in a process of its own at another point.

Usage: python -m tests.runner.killed_turns URL RESPONSES

A point is the beginning or the end of a call of the store, or an event of the stream. For each, the
next process goes on with the session. It prints the number of points.
"""

import asyncio
import os
import signal
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from omnia_core.sessions import Session, SessionStore
from omnia_runner import Agent, ProviderConfig, Result, Runner, SessionManager, open_store

QUESTION, AGAIN, ANSWER = "the question", "once more", "one two three four"
_CALLS = ("load", "append", "checkpoint")


class Watched:
    """A store that says when its calls begin and end."""

    def __init__(self, store: SessionStore, point: Callable[[str], None]) -> None:
        self._store = store
        self._point = point

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._call(name, found) if name in _CALLS else found

    def _call(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(*values: Any, **named: Any) -> Any:
            self._point(f"{name} begins")
            result = await call(*values, **named)
            if name == "append":
                for message in values[1]:
                    self._point(f"stored {message.role} {message.content}")
            self._point(f"{name} has ended")
            return result

        return watched


class Points:
    """Says each point on a pipe, and dies at one; at `finish` it waits to be let go."""

    def __init__(self, out: int, let_go: int, last: int) -> None:
        self._out, self._let_go, self._left = out, let_go, last

    def __call__(self, name: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        os.write(self._out, name.encode() + b"\n")
        if name == "finish":
            os.read(self._let_go, 1)


def agent(responses: str) -> Agent:
    model = ProviderConfig("default", "mock", "m", mock_responses_path=responses)
    return Agent("Helper", "You help.", model)


async def turn(url: str, responses: str, session_id: str, point: Callable[[str], None]) -> None:
    """Run a turn whose stream is read."""
    store = open_store(url)
    manager = SessionManager(Watched(store, point), session_id=session_id, user="u1")
    helper = agent(responses)
    events, task = await Runner(helper, manager).run_stream(QUESTION)
    async for text in events:
        point("finish" if '"type":"finish"' in text else "event")
    await task
    await helper.close()
    await store.close()


async def stored(url: str, session_id: str) -> Session | None:
    store = open_store(url)
    try:
        return await store.load(session_id)
    finally:
        await store.close()


async def go_on(url: str, responses: str, session_id: str) -> tuple[Result, Session | None]:
    store, helper = open_store(url), agent(responses)
    try:
        manager = SessionManager(store, session_id=session_id, user="u1")
        result = await Runner(helper, manager).run(AGAIN)
        return result, await store.load(session_id)
    finally:
        await helper.close()
        await store.close()


def said(session: Session | None) -> list[str]:
    return [f"{each.role} {each.content}" for each in session.messages] if session else []


def killed_at(url: str, responses: str, last: int) -> bool:
    """Check a turn that is killed at a point; return whether the turn came so far."""
    session_id = str(uuid.uuid4())
    (out, into), (held, release) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        asyncio.run(turn(url, responses, session_id, Points(into, held, last)))
        os._exit(0)
    os.close(into)
    confirmed: list[str] = []
    finished = False
    with os.fdopen(out) as points:
        for line in map(str.strip, points):
            if line.startswith("stored "):
                confirmed.append(line.removeprefix("stored "))
            if line == "finish":
                # Another connection reads the turn before the client can know its end.
                found = said(asyncio.run(stored(url, session_id)))
                assert found == [f"user {QUESTION}", f"assistant {ANSWER}"], found
                os.write(release, b"x")
                finished = True
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(release)
    os.close(held)
    assert status == -signal.SIGKILL or (status == 0 and finished), status
    kept = said(asyncio.run(stored(url, session_id)))
    assert kept[: len(confirmed)] == confirmed, (last, kept, confirmed)
    result, session = asyncio.run(go_on(url, responses, session_id))
    assert result.error == "", (last, result.error)
    after = Counter(said(session))
    assert after[f"user {QUESTION}"] == min(len(kept), 1), (last, after)
    assert after[f"user {AGAIN}"] == 1, (last, after)
    assert said(session)[: len(kept)] == kept, (last, kept, said(session))
    assert sum(each.startswith("assistant") for each in said(session)) <= 2
    return status != 0


def main(url: str, responses: str) -> None:
    last = 0
    while killed_at(url, responses, last):
        last += 1
    print(last)  # noqa: T201 - a program


if __name__ == "__main__":
    main(*sys.argv[1:])
