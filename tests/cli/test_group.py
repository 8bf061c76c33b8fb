"""The processes of one manifest object: a program that cannot run is left, and says why."""

import asyncio
import sys
from pathlib import Path

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
