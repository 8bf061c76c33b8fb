"""Asks a pod for a check of its health port."""

import aiohttp

from omnia_core.addresses import Refuses, is_local
from omnia_core.health import check_path, failure_in
from omnia_operator.pod_checks.checks import PodCheck
from omnia_operator.pod_checks.state import PodReport

# A program answers within 5 s, also when the check does not.
_SECONDS = 6.0
_LARGEST = 4096


class PodHealth:
    """Asks a program of a pod.

    Args:
        port: the health port, in place of the one of the check.
        refuses: addresses that are not asked, whatever the status of a pod says.
    """

    def __init__(self, port: int | None = None, refuses: Refuses = is_local) -> None:
        self._port = port
        self._refuses = refuses

    async def report(self, check: PodCheck, pod: str, address: str) -> PodReport | None:
        """Return what a pod says.

        None if it does not answer, or has no such check: it starts, a network policy keeps the
        operator out, or it runs another runtime.

        Args:
            check: what it is asked for.
            pod: its name.
            address: its IP address.
        """
        if self._refuses(address):
            return None
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port or check.port}{check_path(check.name)}"
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                text = (await answer.content.read(_LARGEST)).decode(errors="replace")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None
        # A proxy may answer in place of the pod: only the line of the check counts.
        failure = failure_in(text, check.name)
        if failure is None or (failure and not check.means(failure)):
            return None
        return PodReport(pod, failure)
