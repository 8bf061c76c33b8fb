"""The processes of one manifest object: a program that cannot run is left, and says why."""

import asyncio
import sys
from pathlib import Path

import pytest

from omnia_cli.local.group import Group
from omnia_cli.local.process import ProcessSpec
from omnia_cli.local.report import JsonReporter
from omnia_cli.reaper import Reaper

LIMIT = 60.0


def program(code: str) -> ProcessSpec:
    return ProcessSpec("shop-canary/runtime", (sys.executable, "-c", code), {})


async def test_a_program_that_is_left_has_a_reason_until_it_is_changed(tmp_path: Path) -> None:
    left = asyncio.Event()

    def failed(_name: str, reason: str) -> None:
        if reason.endswith("is left until a manifest changes"):
            left.set()

    async def ready(_group: Group) -> None:
        return

    with Reaper(tmp_path) as reaper:
        group = Group("shop-canary", JsonReporter(), failed, ready, reaper)
        assert group.given_up == ""
        ends = program("raise SystemExit(2)")
        await group.apply([ends])
        async with asyncio.timeout(LIMIT):
            await left.wait()
        assert group.given_up == "runtime ended: exit code 2"
        assert not await group.apply([ends], revive=False)
        assert not group.running
        await group.apply([program("import time; time.sleep(600)")])
        assert group.given_up == ""
        assert group.running
        await group.stop()


async def test_a_wait_that_is_cancelled_ends_what_it_waits_for(tmp_path: Path) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def answer() -> str:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    async def ready(_group: Group) -> None:
        return

    with Reaper(tmp_path) as reaper:
        group = Group("shop", JsonReporter(), lambda _name, _reason: None, ready, reaper)
        await group.apply([program("import time; time.sleep(600)")])
        waiting = asyncio.create_task(group.serves([answer()]))
        async with asyncio.timeout(LIMIT):
            await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ended.is_set()
        await group.stop()


async def test_a_group_whose_files_cannot_be_written_does_not_run(tmp_path: Path) -> None:
    async def ready(_group: Group) -> None:
        return

    (tmp_path / "file").touch()
    spec = ProcessSpec("shop/runtime", (sys.executable,), {}, {tmp_path / "file" / "a": b""})
    with Reaper(tmp_path) as reaper:
        group = Group("shop", JsonReporter(), lambda _name, _reason: None, ready, reaper)
        with pytest.raises(OSError, match="file"):
            await group.apply([spec])
        assert not group.running
