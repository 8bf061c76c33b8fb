"""Asks a pod at its health port whether it reaches its session store."""

import aiohttp

from omnia_core import names
from omnia_core.addresses import Refuses, is_local
from omnia_core.health import SESSION_STORE, check_path, failure_in
from omnia_operator.session_stores.state import PodReport

# The runtime answers within 5 s, also when the store does not.
_SECONDS = 6.0
_LARGEST = 4096


class PodHealth:
    """Asks the runtime of a pod.

    Args:
        port: the health port of runtimes.
        refuses: addresses that are not asked, whatever the status of a pod says.
    """

    def __init__(self, port: int = names.RUNTIME_HEALTH_PORT, refuses: Refuses = is_local) -> None:
        self._port = port
        self._refuses = refuses

    async def report(self, pod: str, address: str) -> PodReport | None:
        """Return what a pod says.

        None if it does not answer, or has no such check: it starts, a network policy keeps the
        operator out, or it runs another runtime.

        Args:
            pod: its name.
            address: its IP address.
        """
        if self._refuses(address):
            return None
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port}{check_path(SESSION_STORE)}"
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
        failure = failure_in(text, SESSION_STORE)
        return None if failure is None else PodReport(pod, failure)
