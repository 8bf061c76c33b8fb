"""kubectl as the tests use it: the program itself, so that its own validation is tested too."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import wait_until

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
        self, *arguments: str | Path, stdin: str | None = None, seconds: float = 60
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

    def wait_available(self, deployment: str, seconds: float = 60) -> None:
        """Return when a Deployment has its pods."""
        self(
            *("wait", "--for=condition=Available", f"deployment/{deployment}"),
            f"--timeout={seconds:.0f}s",
            seconds=seconds + 10,
        )

    def wait_gone(self, kind: str, name: str, seconds: float = 60) -> None:
        """Return when there is no such object."""
        wait_until(
            f"{kind} {name} is gone", lambda: not self.succeeds("get", kind, name), seconds=seconds
        )

    def _command(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        here = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        as_user = (f"--as={self.user}",) if self.user else ()
        return (self.program, *here, *as_user, *arguments)


APPLY = ("apply", "--server-side", "--validate=strict")
DRY_RUN = (*APPLY, "--dry-run=server", "--output=json")
