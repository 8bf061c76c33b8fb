"""Runs a dataset: the agent of manifests, in a process of its own that listens on no port."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from omnia_cli.evaluation.cassettes import TOOLS
from omnia_cli.evaluation.dataset import Dataset
from omnia_cli.local.conversations import Conversations
from omnia_cli.local.report import Reporter, Serving, VersionChange
from omnia_cli.local.runner import Runner
from omnia_cli.manifests import Document
from omnia_cli.reaper import Reaper
from omnia_core.files.evals.case_results import CaseResult
from omnia_core.files.pack.prompt import Eval
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions.recorded import RecordedSession

_LINE_LIMIT = 16 << 20


class EvalFailed(Exception):
    """The dataset cannot be run; the message is for people."""


class EvalOptions(Struct, frozen=True, kw_only=True):
    """How a dataset is run.

    Attributes:
        repeat: how often each case is asked.
        parallel: how many cases are asked at the same time.
        only: ids of evaluations; all for ().
        light: no evaluation asks a model.
        max_cost_usd: no case is begun when so much is spent; None: there is no limit.
        cassettes: the folder of the recording.
        mode: whether it is made, or replayed.
        tools: whether servers answer tool calls, or the recorded sessions do, or there are none.
    """

    repeat: int = 1
    parallel: int = 4
    only: tuple[str, ...] = ()
    light: bool = False
    max_cost_usd: float | None = None
    cassettes: Path | None = None
    mode: Literal["record", "replay"] = "replay"
    tools: Literal["servers", "recording", "none"] = "servers"

    @property
    def servers(self) -> bool:
        """Whether tool servers are asked."""
        return self.tools == "servers" and not (self.cassettes and self.mode == "replay")

    def of_runtime(self) -> str:
        """Return the options of the runtime as JSON."""
        options: JsonObject = {"parallel": self.parallel, "tools": self.tools}
        if self.max_cost_usd is not None:
            options["max_cost_usd"] = self.max_cost_usd
        if self.cassettes:
            options |= {"cassette": str(self.cassettes / TOOLS), "mode": self.mode}
        return msgspec.json.encode(options).decode()


class StderrReporter:
    """Prints what does not run, and the lines of its programs; standard output is the report's."""

    def ready(self, agent: Serving) -> None:
        """Nothing is served."""

    def serving(self, agents: list[Serving], sessions: Path | None) -> None:
        """Nothing is served."""

    def reloaded(self, name: str, versions: VersionChange | None = None) -> None:
        """Nothing is reloaded."""

    def removed(self, name: str) -> None:
        """Nothing is reloaded."""

    def failed(self, name: str, reason: str) -> None:
        print(f"{name}: {reason}", file=sys.stderr)

    def repaired(self, name: str) -> None:
        """Nothing is reloaded."""

    def note(self, name: str, text: str) -> None:
        """What differs from a cluster does not matter here."""

    def line(self, title: str, text: str) -> None:
        """Lines of servers do not matter unless they end; then `failed` says so."""


async def ask(
    documents: list[Document],
    agent: str,
    cases: Sequence[JsonObject],
    options: EvalOptions,
    reporter: Reporter,
    environ: Mapping[str, str],
    on_answer: Callable[[CaseResult], None],
) -> tuple[str, list[CaseResult]]:
    """Ask an agent every case; return its name and its answers.

    Args:
        documents: the manifests.
        agent: the name of the AgentRuntime; "" for the only one.
        cases: what is asked, as the runtime reads it.
        options: how.
        reporter: gets the lines of the processes and what does not run.
        environ: the environment of the command.
        on_answer: called with each answer when it comes.

    Raises:
        EvalFailed: the agent cannot be run, ends before it has answered, or was without one of its
            servers: then its answers say nothing about it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="omnia-", ignore_cleanup_errors=True) as root,
        Reaper(Path(root)) as reaper,
    ):
        conversations = Conversations(None, lambda text: reporter.note("conversations", text))
        runner = Runner(Path(root), reporter, environ, lambda _serving: None, reaper, conversations)
        try:
            spec = await runner.prepare(documents, agent, servers=options.servers)
            command = [sys.executable, "-m", "omnia_runtime.evals", "cases", options.of_runtime()]
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(spec.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,
            )
            reaper.watch(process.pid)
            try:
                answers = await _exchange(process, _lines(cases), on_answer)
                for name, reason in runner.lost.items():
                    raise EvalFailed(f"{name} did not serve all the time: {reason}")
                return spec.title.partition("/")[0], answers
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        finally:
            await runner.stop()


def cases_of(dataset: Dataset, options: EvalOptions) -> list[JsonObject]:
    """Return the cases of a dataset, each as often as it is asked."""
    return [
        {
            "index": index,
            "repeat": repeat,
            "messages": case.messages,
            "metadata": case.metadata,
            "evals": case.evals,
            "only": options.only,
            "light": options.light,
        }
        for repeat in range(1, options.repeat + 1)
        for index, case in enumerate(dataset.cases)
    ]


def cases_of_sessions(
    sessions: Sequence[RecordedSession], evals: Sequence[Eval], options: EvalOptions, *, ask: bool
) -> list[JsonObject]:
    """Return a case for each recorded session; with `ask` the agent answers it anew."""
    return [
        {
            "index": index,
            "recorded": session,
            "ask": ask,
            "evals": evals,
            "only": options.only,
            "light": options.light,
        }
        for index, session in enumerate(sessions)
    ]


def _lines(cases: Sequence[JsonObject]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, cases))


async def _exchange(
    process: asyncio.subprocess.Process, cases: bytes, on_answer: Callable[[CaseResult], None]
) -> list[CaseResult]:
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - as started
    errors = asyncio.create_task(process.stderr.read())
    process.stdin.write(cases)
    with contextlib.suppress(ConnectionError):
        await process.stdin.drain()
    process.stdin.close()
    answers = []
    async for line in process.stdout:
        answers.append(msgspec.json.decode(line, type=CaseResult))
        on_answer(answers[-1])
    said = (await errors).decode(errors="replace")
    if await process.wait() != 0:
        raise EvalFailed(_reason(said.splitlines()))
    return answers


def _reason(lines: Sequence[str]) -> str:
    """Return the last line that is meant for people, else the last one."""
    meant = [line for line in lines if line.startswith("omnia-evals: ")]
    return meant[-1].removeprefix("omnia-evals: ") if meant else "\n".join(lines[-5:])
