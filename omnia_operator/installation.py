"""Checks an installation: `python -m omnia_operator.installation URL`, which `helm test` runs.

An operator is ready at the URL, and the API server serves the custom resources. The exit code is 0
when both are the case within a minute, else 1, and the last line says what is missing.
"""

import http.client
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omnia_core.names import GROUP, VERSION
from omnia_operator.cluster.kinds import CUSTOM

LIMIT_SECONDS = 60.0
RETRY_SECONDS = 2.0
_REQUEST_SECONDS = 5.0
# No connection or no success; no HTTP; no JSON.
_FAILURES = (OSError, http.client.HTTPException, ValueError)
# Every pod finds the API server by this name, and its account below this folder.
API_SERVER = "https://kubernetes.default.svc"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Installation:
    """Where an installation is asked.

    Attributes:
        ready: URL of the operator's readiness.
        api_server: URL of the API server.
        account: folder with the `token` for the API server and its `ca.crt`.
    """

    ready: str
    api_server: str = API_SERVER
    account: Path = ACCOUNT

    def fault(self) -> str:
        """Return what is missing now; "" for nothing."""
        return self._operator_fault() or self._kinds_fault()

    def _operator_fault(self) -> str:
        try:
            _get(self.ready)
        except _FAILURES as error:
            return f"no operator is ready at {self.ready}: {_cause(error)}"
        return ""

    def _kinds_fault(self) -> str:
        address = f"{self.api_server}/apis/{GROUP}/{VERSION}"
        try:
            token = (self.account / "token").read_text(encoding="utf-8").strip()
            found = json.loads(_get(address, token, self.account / "ca.crt"))
        except _FAILURES as error:
            return f"the API server does not serve {GROUP}/{VERSION}: {_cause(error)}"
        served = {resource["name"] for resource in found.get("resources", ())}
        missing = sorted({kind.plural for kind in CUSTOM} - served)
        if missing:
            return f"the API server does not serve {', '.join(missing)}: apply their definitions"
        return ""


def settled(
    fault: Callable[[], str],
    *,
    limit: float = LIMIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Return "" once nothing is missing, or what is missing after `limit` seconds."""
    end = clock() + limit
    while (missing := fault()) and clock() < end:
        sleep(RETRY_SECONDS)
    return missing


def _get(url: str, token: str = "", ca: Path | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
    # Both servers are in the cluster: no proxy of the environment is asked.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the chart's addresses
    with opener.open(request, timeout=_REQUEST_SECONDS) as response:
        content: bytes = response.read()
        return content


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    status = f"status {error.code}, " if isinstance(error, urllib.error.HTTPError) else ""
    return f"{status}{reason}"


def main() -> int:
    """Check the installation whose operator is at the only argument; return the exit code."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its argument
        print("usage: python -m omnia_operator.installation URL-OF-READYZ", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    fault = settled(Installation(sys.argv[1]).fault)
    print(fault or "An operator is ready, and the custom resources are served.")  # noqa: T201 - for a person
    return int(bool(fault))


if __name__ == "__main__":
    sys.exit(main())
