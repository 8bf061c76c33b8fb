"""Which history a command reads: that of this machine, of a cluster, or at an address."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from omnia_cli.connect import history_in_cluster
from omnia_cli.history import HistoryClient, HistoryFailed, local_history
from omnia_core.env.contract import SecretStr
from omnia_core.env.operator import CliEnv


def known_token(environ: Mapping[str, str]) -> str | None:
    """Return the token of the environment, None without one."""
    # A token on a command line is in the shell's history and in every list of processes.
    known = CliEnv.parse(environ).token
    return known.reveal() if isinstance(known, SecretStr) else None


class HistoryChoice(Struct, frozen=True):
    """Where the history is, as it was given.

    Attributes:
        files: the manifests whose project has the sessions on this machine.
    """

    url: str | None = None
    token: str | None = None
    namespace: str | None = None
    account: str = "default"
    files: tuple[Path, ...] = ()


@contextlib.contextmanager
def opened_history(choice: HistoryChoice, environ: Mapping[str, str]) -> Iterator[HistoryClient]:
    """Yield a client of the history, for as long as the context lasts.

    Raises:
        HistoryFailed: there is none, or more than one place is given.
        KubectlFailed: the cluster cannot be reached.
    """
    token = choice.token or known_token(environ)
    given = [
        option
        for option, value in (
            ("--url", choice.url),
            ("--namespace", choice.namespace),
            ("--file", choice.files),
        )
        if value
    ]
    if len(given) > 1:
        raise HistoryFailed(f"{' and '.join(given)} exclude each other: give one of them")
    if choice.url:
        yield HistoryClient(choice.url, token)
        return
    if choice.namespace is None:
        with local_history(choice.files, environ) as url:
            yield HistoryClient(url, token)
        return
    with history_in_cluster(choice.namespace, token, choice.account) as found:
        yield HistoryClient(found.url, found.token)
