"""`omnia chat` and `omnia call` on agents in a cluster, with a kubectl that only pretends."""

import os
import stat
import sys
from pathlib import Path

import pytest

from omnia_cli.cluster import KubectlFailed, forwarded, new_token
from tests.cli.test_tokens import omnia
from tests.facade.test_auth_program import door

# Notes how it was called; its port-forward leads to a port that listens already.
KUBECTL = """\
#!{python}
import pathlib, signal, sys
with pathlib.Path({log!r}).open("a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "create":
    if "nobody" in sys.argv:
        sys.exit('error: serviceaccounts "nobody" not found')
    print("k3y")
elif "service/gone" in sys.argv:
    sys.exit('Error from server (NotFound): services "gone" not found')
else:
    print("Forwarding from 127.0.0.1:{port} -> 8080", flush=True)
    signal.pause()
"""


class Kubectl:
    """The program, and what it was asked."""

    def __init__(self, folder: Path, port: int) -> None:
        self._log = folder / "kubectl.log"
        program = folder / "bin" / "kubectl"
        program.parent.mkdir()
        program.write_text(KUBECTL.format(python=sys.executable, log=str(self._log), port=port))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.path = f"{program.parent}:{os.environ['PATH']}"

    @property
    def asked(self) -> list[str]:
        return self._log.read_text().splitlines()


FORWARD = "port-forward service/agent :facade --namespace=space --pod-running-timeout=30s"


async def test_a_chat_in_a_cluster_makes_its_own_token_and_its_own_way(tmp_path: Path) -> None:
    async with door(tmp_path, "agent") as agent:
        kubectl = Kubectl(tmp_path, agent.port)
        code, printed = await omnia(
            *("chat", "agent", "-n", "space", "--service-account", "chatter"),
            said="hi\n",
            PATH=kubectl.path,
        )
    assert (code, "you said hi" in printed) == (0, True)
    assert kubectl.asked == [
        "create token chatter --namespace=space --audience=omnia://space/agent",
        FORWARD,
    ]


async def test_a_call_in_a_cluster_takes_the_token_that_it_is_given(tmp_path: Path) -> None:
    async with door(tmp_path, "function") as function:
        kubectl = Kubectl(tmp_path, function.port)
        code, printed = await omnia(
            *("call", "f", "{}", "--namespace", "space"), PATH=kubectl.path, OMNIA_TOKEN="k3y"
        )
    assert (code, "output" in printed) == (0, True)
    assert kubectl.asked == [FORWARD.replace("agent", "f")]


NO_KUBECTL = "kubectl is not on the PATH; it is needed to reach an agent in a cluster"
NO_WAY = '"gone" in the namespace "space" cannot be reached; kubectl says: Error from server'
NO_TOKEN = "no token of the ServiceAccount nobody; kubectl says: error: serviceaccounts"


@pytest.mark.parametrize(
    ("there", "no_way", "no_token"), [(True, NO_WAY, NO_TOKEN), (False, NO_KUBECTL, NO_KUBECTL)]
)
def test_what_kubectl_cannot_do_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, no_way: str, no_token: str
) -> None:
    monkeypatch.setenv("PATH", Kubectl(tmp_path, 1).path if there else str(tmp_path))
    with pytest.raises(KubectlFailed) as way, forwarded("gone", "space"):
        pass
    assert str(way.value).startswith(no_way)
    with pytest.raises(KubectlFailed) as token:
        new_token("agent", "space", "nobody")
    assert str(token.value).startswith(no_token)
