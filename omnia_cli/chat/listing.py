"""The conversations with one agent, by its history."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from omnia_core.jsonvalue import JsonObject

_LISTED = 20

Listing = Callable[[], list[JsonObject]]
"""Lists the conversations with an agent, the newest first. Raises ListFailed."""


class ListFailed(Exception):
    """The conversations cannot be listed; the message is for people."""


def listing(
    agent: str, namespace: str | None, token: str | None, account: str, environ: Mapping[str, str]
) -> Listing:
    """Return what lists the conversations with an agent of this machine or of a cluster."""

    def sessions() -> list[JsonObject]:
        # Few commands use the history, and its client loads the operator's models.
        from omnia_cli.cluster import KubectlFailed  # noqa: PLC0415 - as above
        from omnia_cli.connect import history_in_cluster, is_url  # noqa: PLC0415 - as above
        from omnia_cli.history import HistoryClient, HistoryFailed  # noqa: PLC0415 - as above

        if is_url(agent):
            raise ListFailed(
                "the conversations of an address cannot be listed: name the agent as `omnia ps`"
                " does, or give the id of one with --session"
            )
        try:
            with contextlib.ExitStack() as stack:
                if namespace is None:
                    client = HistoryClient(stack.enter_context(_here(agent, environ)), None)
                else:
                    found = stack.enter_context(history_in_cluster(namespace, token, account))
                    client = HistoryClient(found.url, found.token)
                # The history knows names without a namespace.
                return client.sessions({"agent": agent.rpartition("/")[2]}, _LISTED)
        except (HistoryFailed, KubectlFailed) as error:
            raise ListFailed(str(error)) from error

    return sessions


@contextlib.contextmanager
def _here(agent: str, environ: Mapping[str, str]) -> Iterator[str]:
    from omnia_cli.history import history_of_file, local_history  # noqa: PLC0415 - as above
    from omnia_cli.running import running  # noqa: PLC0415 - as above

    serving = next((each for each in running(environ) if each.is_named(agent)), None)
    if serving and serving.history:
        yield serving.history
    elif serving and serving.sessions:
        with history_of_file(Path(serving.sessions), environ) as url:
            yield url
    else:
        with local_history((), environ) as url:
            yield url
