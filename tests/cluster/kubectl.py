"""kubectl as the tests use it: the program itself, so that its own validation is tested too."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import SECONDS, wait_until

Object = dict[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster and one namespace."""

    program: Path
    kubeconfig: Path
    namespace: str
    user: str = ""
    """Acts as this user; "" stands for the administrator."""

    def __call__(
        self, *arguments: str | Path, stdin: str | None = None, seconds: float = SECONDS
    ) -> str:
        """Return what kubectl prints.

        Raises:
            HarnessError: it failed; with what it said.
        """
        return run(*self._command(*arguments), stdin=stdin, seconds=seconds)

    def succeeds(self, *arguments: str) -> bool:
        """Tell whether a command ends well."""
        return succeeds(*self._command(*arguments))

    def refusal(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Return the message with which a command fails; fail when it does not."""
        try:
            answer = self(*arguments, stdin=stdin)
        except HarnessError as error:
            return str(error)
        raise AssertionError(f"kubectl accepted what it should refuse: {answer}")

    def apply(self, *objects: Object, force: bool = False) -> str:
        """Apply objects under strict validation; with `force` also fields that others manage."""
        conflicts = ["--force-conflicts"] if force else []
        return self(*APPLY, *conflicts, "--filename=-", stdin=yaml.safe_dump_all(objects))

    def apply_files(self, path: Path) -> str:
        """Apply a file, or every file of a folder, under strict validation."""
        return self(*APPLY, f"--filename={path}")

    def accepts(self, *objects: Object) -> str:
        """Apply objects as a dry run: the API server checks them and fills in the defaults.

        Return them as it would keep them, in JSON. No operator sees them, so no pod starts.
        """
        return self(*DRY_RUN, "--filename=-", stdin=yaml.safe_dump_all(objects))

    def accepts_files(self, path: Path) -> str:
        """Apply a file, or every file of a folder, as a dry run."""
        return self(*DRY_RUN, f"--filename={path}")

    def get(self, kind: str, name: str) -> Object:
        """Return one object."""
        found: Object = json.loads(self("get", kind, name, "--output=json"))
        return found

    def list(self, kind: str, selector: str = "") -> list[Object]:
        """Return the objects of a kind."""
        found = json.loads(self("get", kind, f"--selector={selector}", "--output=json"))
        items: list[Object] = found["items"]
        return items

    def wait(self, subject: str, state: str, seconds: float = SECONDS) -> None:
        """Return when an object has a state, such as `condition=Ready`; it may come later."""
        deadline = time.monotonic() + seconds
        # `kubectl wait` fails at once for what does not exist.
        wait_until(
            f"{subject} exists",
            lambda: self("get", subject, "--ignore-not-found", "--output=name") != "",
            seconds=seconds,
        )
        left = max(1.0, deadline - time.monotonic())
        self("wait", f"--for={state}", subject, f"--timeout={left:.0f}s", seconds=left + 30)

    def wait_available(self, deployment: str) -> None:
        """Return when a Deployment has its pods."""
        self.wait(f"deployment/{deployment}", "condition=Available")

    def wait_succeeded(self, pod: str) -> None:
        """Return when the program of a pod has ended well."""
        self.wait(f"pod/{pod}", "jsonpath={.status.phase}=Succeeded")

    def wait_rollout(self, deployment: str) -> None:
        """Return when all pods of a Deployment are new ones."""
        rollout = ("rollout", "status", f"deployment/{deployment}")
        self(*rollout, f"--timeout={SECONDS:.0f}s", seconds=SECONDS + 30)

    def wait_gone(self, kind: str, name: str) -> None:
        """Return when there is no such object."""
        there = ("get", kind, name, "--ignore-not-found", "--output=name")
        wait_until(f"{kind} {name} is gone", lambda: self(*there) == "")

    def _command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        here = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        as_user = (f"--as={self.user}",) if self.user else ()
        return (self.program, *here, *as_user, *arguments)


APPLY = ("apply", "--server-side", "--validate=strict")
DRY_RUN = (*APPLY, "--dry-run=server", "--output=json")
