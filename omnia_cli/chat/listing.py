"""The conversations with one agent, by its history."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from omnia_cli.local.report import Serving
from omnia_core.jsonvalue import JsonObject

_LISTED = 20

Listing = Callable[[], list[JsonObject]]
"""Lists the conversations with an agent, the newest first. Raises ListFailed."""


class ListFailed(Exception):
    """The conversations cannot be listed; the message is for people."""


def listing(
    agent: str,
    here: Serving | None,
    namespace: str | None,
    token: str | None,
    account: str,
    environ: Mapping[str, str],
) -> Listing:
    """Return what lists the conversations with an agent of this machine or of a cluster.

    Args:
        agent: its name, or its address as it was given.
        here: the agent, if it runs on this machine.
        namespace: that of an agent of a cluster.
        token: for the history of a cluster; None: one is made, of the ServiceAccount `account`.
        account: see `token`.
        environ: the environment of the command.
    """

    def sessions() -> list[JsonObject]:
        # Few commands use the history, and its client loads the operator's models.
        from omnia_cli.cluster import KubectlFailed  # noqa: PLC0415 - as above
        from omnia_cli.connect import history_in_cluster  # noqa: PLC0415 - as above
        from omnia_cli.history import HistoryClient, HistoryFailed  # noqa: PLC0415 - as above

        try:
            with contextlib.ExitStack() as stack:
                if here is not None:
                    client = HistoryClient(stack.enter_context(_here(here, environ)), None)
                    filters = {"namespace": here.namespace, "agent": here.name}
                elif namespace is not None:
                    found = stack.enter_context(history_in_cluster(namespace, token, account))
                    client = HistoryClient(found.url, found.token)
                    filters = {"agent": agent}
                else:
                    raise ListFailed(
                        "the conversations of an address cannot be listed: name the agent as"
                        " `omnia ps` does, or give the id of one with --session"
                    )
                return client.sessions(filters, _LISTED)
        except (HistoryFailed, KubectlFailed) as error:
            raise ListFailed(str(error)) from error

    return sessions


@contextlib.contextmanager
def _here(agent: Serving, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of the history of an agent, which may have been started again meanwhile."""
    from omnia_cli.history import history_of_file  # noqa: PLC0415 - as above
    from omnia_cli.running import running  # noqa: PLC0415 - as above

    same = [each for each in running(environ) if each.key == agent.key]
    # Several `omnia up` may each have an agent of one namespace and name.
    serving = max(same, key=lambda each: each.url == agent.url, default=agent)
    if serving.history:
        yield serving.history
    elif serving.sessions:
        with history_of_file(Path(serving.sessions), environ) as url:
            yield url
    else:
        raise ListFailed(
            f'the conversations with "{agent.name}" cannot be listed: they are in memory, or in a'
            " store without a history"
        )
