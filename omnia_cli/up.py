"""The command `omnia up`: run manifests, reload them when they are saved, stop on Ctrl-C."""

import asyncio
import contextlib
import functools
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from omnia_cli.findings import Finding, errors
from omnia_cli.hub.events import EventLog
from omnia_cli.hub.server import PORT, Hub
from omnia_cli.local.console import FailureReporter, LocalDirectory
from omnia_cli.local.control import controlled, socket_path
from omnia_cli.local.conversations import Conversations
from omnia_cli.local.ports import LOOPBACK, PortOccupied
from omnia_cli.local.report import Reporter, Reporters, Serving
from omnia_cli.local.runner import Runner
from omnia_cli.log_file import LOG, LogFile, LoggedReporter
from omnia_cli.manifests import Document, ManifestError
from omnia_cli.reaper import Reaper
from omnia_cli.running import StateUnusable, announce, occupant
from omnia_cli.sources import load, source_files
from omnia_cli.state import Project
from omnia_cli.validate import check, finding_of
from omnia_core.files.changes import Signature, signature

POLL_SECONDS = 0.15
# Names the console in reports.
CONSOLE = "console"


async def up(
    paths: Sequence[Path],
    reporter: Reporter,
    environ: Mapping[str, str],
    announcement: Path,
    port: int | None = None,
    *,
    console_port: int | None = None,
    ephemeral: bool = False,
) -> int:
    """Run until a signal arrives; return the exit code.

    Args:
        paths: files and folders of manifests.
        reporter: gets the events.
        environ: the environment of the command.
        announcement: the file with the agents that run, for other commands.
        port: the port of the first agent, in place of the manifest's.
        console_port: the port of the console; None for the first free one.
        ephemeral: whether conversations end with their runtime.

    Raises:
        ManifestError: the manifests cannot be read.
        InvalidManifests: the manifests have errors.
    """
    documents = read(paths)
    stop = asyncio.Event()
    _stop_on_signals(stop)
    with (
        tempfile.TemporaryDirectory(prefix="omnia-", ignore_cleanup_errors=True) as root,
        socket_path(Path(root)) as control,
        Reaper(Path(root), control.parent) as reaper,
        LogFile(announcement.with_suffix(LOG)) as log,
    ):
        began = datetime.now(UTC)
        events = EventLog(began.strftime("%Y%m%dT%H%M%S%f"))
        failures = FailureReporter(events.add)
        reporter = LoggedReporter(Reporters(reporter, failures), log)
        runner = Runner(
            Path(root),
            reporter,
            environ,
            functools.partial(_announce, announcement, reporter),
            reaper,
            Conversations(
                None if ephemeral else Project.of(paths, environ),
                lambda text: reporter.note("conversations", text),
            ),
            port,
            functools.partial(occupant, environ),
            str(log.path),
            str(control),
            lambda agent, problem, documents: str(finding_of(agent, problem, documents)),
        )
        manifests = [Project.of([path], environ).manifests for path in paths]
        folder = Path(os.path.commonpath(manifests))
        directory = LocalDirectory(runner, failures, folder, began.isoformat(timespec="seconds"))
        hub = Hub(directory, events, lambda text: reporter.failed(CONSOLE, text))
        try:
            async with (
                controlled(control, runner.rollouts.status, runner.rollouts.ask),
                _console(hub, runner, console_port),
            ):
                return await _serve(runner, reporter, paths, documents, stop)
        except PortOccupied as error:
            reporter.failed(CONSOLE, str(error))
            return 1
        finally:
            await runner.stop()


@contextlib.asynccontextmanager
async def _console(hub: Hub, runner: Runner, port: int | None) -> AsyncIterator[None]:
    """Serve the console for as long as the context lasts.

    Raises:
        PortOccupied: the port that was asked for is in use.
    """
    ports, occupant, option = runner.ports, runner.occupant, "--console-port"
    taken = ports.from_(PORT) if port is None else ports.exactly(port, occupant, option)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(hub.serving(taken))
        except OSError as error:
            if port is not None:
                raise PortOccupied(port, occupant(port), option) from error
            # The agents run without it, each with its own page.
            runner.reporter.failed(CONSOLE, f"it cannot be served: {error}")
        else:
            runner.hub = f"http://{LOOPBACK}:{taken}/"
            if port is None and taken != PORT:
                runner.reporter.note(
                    CONSOLE,
                    f"port {PORT} is occupied by {occupant(PORT)}: serves on port {taken};"
                    f" {option} chooses another port",
                )
        yield


def _announce(file: Path, reporter: Reporter, agents: Sequence[Serving]) -> None:
    """Write the running agents; when the disk is full, they run all the same."""
    try:
        announce(file, agents)
    except StateUnusable as error:
        reporter.failed("omnia up", str(error))


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on Ctrl-C, on SIGTERM and when the terminal is closed."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def hang_up() -> None:
        # A write to the closed terminal would fail.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        stop.set()

    # `nohup` ignores the signal, and the processes are to stay.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, hang_up)


class InvalidManifests(Exception):
    """The manifests have errors; nothing was changed."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


def read(paths: Sequence[Path]) -> list[Document]:
    """Load manifests and check each object alone.

    Raises:
        ManifestError: they cannot be read.
        InvalidManifests: an object is wrong.
    """
    documents = load(paths)
    wrong = errors(check(documents, references=False))
    if wrong:
        raise InvalidManifests(wrong)
    return documents


async def _serve(
    runner: Runner,
    reporter: Reporter,
    paths: Sequence[Path],
    documents: list[Document],
    stop: asyncio.Event,
) -> int:
    if not any(document.kind == "AgentRuntime" for document in documents):
        places = ", ".join(str(path) for path in paths)
        reporter.failed(places, "there is no AgentRuntime among the manifests; add one")
        return 1
    applied = _signature(paths)
    starting = asyncio.ensure_future(runner.apply(documents, first=True))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return 0
    if not starting.result():
        return 1
    reporter.serving(runner.serving(), runner.conversations.used)
    await _follow(runner, paths, documents, applied, stop)
    stopping.cancel()
    return 0


async def _follow(
    runner: Runner,
    paths: Sequence[Path],
    documents: list[Document],
    applied: Signature,
    stop: asyncio.Event,
) -> None:
    """Apply each change after an interval without another one, and the steps of canaries and
    rollouts when they are due.
    """
    previous = applied
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL_SECONDS)
        current = _signature(paths)
        if current == previous and current != applied:
            applied = current
            documents = await _reload(runner, paths) or documents
        if runner.steps.due or runner.rollouts.due:
            await runner.apply(documents, first=False, step=True)
        previous = current


async def _reload(runner: Runner, paths: Sequence[Path]) -> list[Document] | None:
    """Return the manifests in use; None when the change is invalid."""
    try:
        documents = read(paths)
        await runner.apply(documents, first=False)
    except ManifestError as error:
        runner.refused(error.file.name, str(error))
    except InvalidManifests as error:
        for finding in error.findings:
            runner.refused(finding.object.rpartition("/")[2], str(finding))
    else:
        return documents
    return None


def _signature(paths: Sequence[Path]) -> Signature:
    try:
        return signature(source_files(paths))
    except (ManifestError, OSError):
        return ()
