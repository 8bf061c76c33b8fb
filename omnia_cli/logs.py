"""The command `omnia logs`: what the programs of `omnia up` printed, or those of a cluster."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from omnia_cli.cluster import logs_command
from omnia_cli.control_characters import visible
from omnia_cli.log_file import file_before
from omnia_cli.running import running

POLL_SECONDS = 0.2


class LogsFailed(Exception):
    """There are no logs; the message is for people."""


def local_lines(name: str | None, environ: Mapping[str, str], *, follow: bool) -> Iterator[str]:
    """Yield the lines of the programs of an agent that runs here, or of all.

    Args:
        name: the agent, function or server; None for all.
        environ: the environment of the command.
        follow: whether to wait for further lines until the agents end.

    Raises:
        LogsFailed: no agent of this name runs here, and no server printed a line.
    """
    files = _files(environ)
    places = dict.fromkeys(files, 0)
    seen = False
    lines = [line for file in files for line in _read(file_before(file), 0)[0]]
    while True:
        for file in files:
            more, places[file] = _read(file, places[file])
            lines += more
        for line in lines:
            title, _, text = line.partition("\t")
            if name in (None, title.partition("/")[0]):
                seen = True
                yield visible(f"[{title}] {text}")
        lines = []
        if not follow or not any(file in _files(environ) for file in files):
            break
        time.sleep(POLL_SECONDS)
    if not seen and name not in {None, *(agent.name for agent in running(environ))}:
        names = ", ".join(sorted({agent.name for agent in running(environ)})) or "nothing"
        raise LogsFailed(
            f'no line of "{name}" is kept; running: {names}. Lines are kept as long as `omnia up`'
            " runs; of a cluster give --namespace"
        )


def cluster_logs(name: str | None, namespace: str, *, follow: bool) -> int:
    """Let kubectl print the logs of an agent's pods, or of all; return its exit code.

    Raises:
        LogsFailed: kubectl is missing.
    """
    try:
        return subprocess.run(  # noqa: S603 - the command is ours
            logs_command(name, namespace, follow=follow), check=False
        ).returncode
    except FileNotFoundError as error:
        raise LogsFailed("kubectl is not on the PATH; it prints the logs of a cluster") from error


def _files(environ: Mapping[str, str]) -> Sequence[Path]:
    return [Path(log) for log in dict.fromkeys(agent.log for agent in running(environ)) if log]


def _read(file: Path, place: int) -> tuple[list[str], int]:
    """Return the whole lines after a place in a file, and the place after them."""
    try:
        with file.open("rb") as opened:
            if opened.seek(0, os.SEEK_END) < place:  # begun anew
                place = 0
            opened.seek(place)
            data = opened.read()
    except OSError:
        return [], place
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), place + len(whole)
