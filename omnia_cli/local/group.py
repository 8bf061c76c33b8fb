"""The processes of one agent or tool server, restarted when they end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from omnia_cli.local.process import UNUSABLE, Process, ProcessSpec, write_files
from omnia_cli.local.report import Reporter
from omnia_cli.reaper import Reaper
from omnia_cli.system_errors import explained

# A process that ends is restarted after these many seconds, and after the last restart not again
# until its manifests change.
RESTARTS = (0.5, 1.0, 2.0, 4.0, 8.0)
# The list begins anew for a process that ran this long.
STEADY_SECONDS = 30.0


class Group:
    """Runs the processes of one manifest object.

    `failed` is called with the name and the reason of a failure. `ready` waits until they serve and
    reports it; it is called after each start.
    """

    def __init__(
        self,
        name: str,
        reporter: Reporter,
        failed: Callable[[str, str], None],
        ready: Callable[["Group"], Awaitable[None]],
        reaper: Reaper,
    ) -> None:
        self.name = name
        self._reaper = reaper
        self._reporter = reporter
        self._failed = failed
        self._ready = ready
        self._processes: dict[str, Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self.given_up = ""
        """Why a process is left as it ended, until its manifests change; "" if none is."""

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by the last part of the title, such as `facade`."""
        return {title.rpartition("/")[2]: process.pid for title, process in self._processes.items()}

    @property
    def running(self) -> bool:
        """Whether there are processes and every one runs."""
        processes = self._processes.values()
        return bool(processes) and all(process.running for process in processes)

    async def apply(self, specs: Sequence[ProcessSpec], *, revive: bool = True) -> bool:
        """Change to `specs` with as few restarts as possible; return whether anything changed.

        Without `revive` a process that has ended is left to its restarts, as long as it is the
        same.
        """
        changed = False
        wanted = {spec.title for spec in specs}
        for title in [title for title in self._processes if title not in wanted]:
            await self._stop(title)
            changed = True
        started = []
        for spec in specs:
            old = self._processes.get(spec.title)
            if old and not old.spec.restarts(spec) and (old.running or not revive):
                changed |= write_files(old.spec.files, spec)
                old.spec = spec
                continue
            await self._stop(spec.title)
            write_files(old.spec.files if old else {}, spec)
            started.append(spec)
        if started:
            self.given_up = ""
        for spec in started:
            await self._start(spec)
        if started:
            await self._ready(self)
        for spec in started:
            self._keepers[spec.title] = asyncio.create_task(self._keep(spec.title))
        return changed or bool(started)

    async def stop(self) -> None:
        """End every process."""
        await asyncio.gather(*(self._stop(title) for title in list(self._processes)))

    async def first_end(self) -> None:
        """Wait until one of the processes ends."""
        tasks = [asyncio.create_task(process.wait()) for process in self._processes.values()]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def serves(self, waits: Sequence[Awaitable[str]]) -> bool:
        """Wait until all of `waits` return "", or a process ends, which `_keep` reports."""
        end = asyncio.ensure_future(self.first_end())
        answers: asyncio.Future[list[str]] = asyncio.gather(*waits)
        pair: list[asyncio.Future[Any]] = [end, answers]
        ready = False
        try:
            await asyncio.wait(pair, return_when=asyncio.FIRST_COMPLETED)
            ready = answers.done()
        finally:
            # Also when this wait is cancelled, because the program ends while an agent starts.
            for task in pair:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if not ready:
            return False
        faults = [answer for answer in answers.result() if answer]
        for fault in faults:
            self._failed(self.name, f"does not serve: {fault}")
        return not faults

    async def _start(self, spec: ProcessSpec) -> None:
        process = Process(spec, lambda text: self._reporter.line(spec.title, text), self._reaper)
        self._processes[spec.title] = process
        await process.start()

    async def _stop(self, title: str) -> None:
        keeper = self._keepers.pop(title, None)
        if keeper and keeper is not asyncio.current_task():
            keeper.cancel()
        process = self._processes.pop(title, None)
        if process:
            await process.stop()

    async def _keep(self, title: str) -> None:
        """Restart a process when it ends, a bounded number of times."""
        loop = asyncio.get_running_loop()
        left = list(RESTARTS)
        while True:
            process, began = self._processes[title], loop.time()
            what = title.rpartition("/")[2]
            ended = await process.wait()
            self._failed(self.name, f"{what} ended: {ended.reason}")
            left = list(RESTARTS) if loop.time() - began > STEADY_SECONDS else left
            if ended.code == UNUSABLE or not left:
                self.given_up = f"{what} ended: {ended.reason}"
                self._failed(self.name, f"{what} is left until a manifest changes")
                return
            await asyncio.sleep(left.pop(0))
            try:
                await self._start(process.spec)
            except OSError as error:
                self.given_up = f"{what} cannot be started: {explained(error)}"
                self._failed(self.name, self.given_up)
                return
            await self._ready(self)
