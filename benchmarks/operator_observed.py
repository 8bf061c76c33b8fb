"""What an operator does to a cluster, seen from outside: its writes, and when objects change."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.api_client import ApiClient
from tests.cluster.harness.errors import HarnessError

# Controllers write with PUT, kubelets and fake nodes to pods/status: nobody else does these.
_VERBS = ("APPLY", "PATCH", "DELETE")
_WRITTEN = {
    *((kind, "status") for kind in ("agentruntimes", "promptpacks", "providers")),
    *((kind, "") for kind in ("configmaps", "secrets", "services", "serviceaccounts")),
    *((kind, "") for kind in ("deployments", "poddisruptionbudgets", "pods")),
    ("toolregistries", "status"),
    ("sessionretentionpolicies", "status"),
}
_REQUESTS = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Writes:
    """How many requests the API server has served, by verb and kind."""

    counts: Counter[str]

    @classmethod
    def of(cls, metrics: str) -> "Writes":
        """Count the writes that only the operator makes, in the API server's metrics."""
        counts: Counter[str] = Counter()
        for labels, value in _REQUESTS.findall(metrics):
            told = dict(_LABEL.findall(labels))
            what = told.get("resource", ""), told.get("subresource", "")
            if told.get("verb") in _VERBS and what in _WRITTEN:
                counts[f"{told['verb']} {'/'.join(filter(None, what))}"] += int(float(value))
        return cls(counts)

    def since(self, earlier: "Writes") -> "Writes":
        """Return the requests since then."""
        return Writes(self.counts - earlier.counts)

    @property
    def total(self) -> int:
        """All of them."""
        return self.counts.total()

    def __str__(self) -> str:
        return ", ".join(f"{what} {count}" for what, count in sorted(self.counts.items()))


class Followed:
    """A collection that a thread watches: when was an object first as wanted?"""

    def __init__(self, api: ApiClient, path: str, **wanted: Callable[[JsonObject], bool]) -> None:
        self._wanted = wanted
        self._met: dict[str, dict[str, float]] = {name: {} for name in wanted}
        self._changed = threading.Condition()
        version = api.get(path)["metadata"]["resourceVersion"]
        threading.Thread(target=self._follow, args=(api, path, version), daemon=True).start()

    def wait(self, name: str, count: int, seconds: float) -> float:
        """Return the moment at which the last of `count` objects was as wanted.

        Raises:
            HarnessError: not in time.
        """
        deadline, met = time.monotonic() + seconds, self._met[name]
        with self._changed:
            while len(met) < count:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise HarnessError(f"{name}: {len(met)} of {count} within {seconds:.0f} s")
        return max(met.values())

    def _follow(self, api: ApiClient, path: str, version: str) -> None:
        # The watch of the API client lasts longer than any measurement.
        for event in api.watch(path, version):
            found = event["object"]
            for name, wanted in self._wanted.items():
                if wanted(found):
                    with self._changed:
                        self._met[name].setdefault(found["metadata"]["name"], time.monotonic())
                        self._changed.notify_all()
