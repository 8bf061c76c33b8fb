"""`omnia chat`, `call` and `sessions` in a cluster, with a kubectl that only pretends."""

import http.server
import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnia_cli.cluster import KubectlFailed, history_of, new_token
from omnia_cli.port_forward import MAX_HEAD_BYTES, forwarded
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.cli.test_tokens import omnia
from tests.facade.scripted_runtime import LIMIT
from tests.facade.test_auth_program import secured_program

# Notes how it was called; its port-forward leads to a port that listens already.
KUBECTL = """\
#!{python}
import json, pathlib, signal, socket, sys
with pathlib.Path({log!r}).open("a") as log:
    print(*sys.argv[1:], file=log)
if sys.argv[1] == "create":
    if "nobody" in sys.argv:
        sys.exit('error: serviceaccounts "nobody" not found')
    print("k3y")
elif sys.argv[1] == "get":
    if "--all-namespaces" in sys.argv and "history-of=mine" in " ".join(sys.argv):
        sys.exit("Error from server (Forbidden): services is forbidden")
    meta = dict(name="omnia-history", namespace="omnia-system")
    nothing = "history-of=empty" in " ".join(sys.argv)
    print(json.dumps(dict(items=[] if nothing else [dict(metadata=meta)])))
elif "service/gone" in sys.argv:
    sys.exit('Error from server (NotFound): services "gone" not found')
elif "service/away" in sys.argv:
    logged = 'E1201 05:55:39.463233 10475 memcache.go:265] "Unhandled Error" err="refused"\\n'
    refused = "The connection to the server localhost:8080 was refused - did you specify it?"
    sys.exit(3 * logged + refused)
elif "service/noisy" in sys.argv:
    sys.exit("error: no way\\n" * 100_000)
elif "service/busy" in sys.argv:
    print("Forwarding from 127.0.0.1:{port} -> 8080", flush=True)
    # More than a pipe holds: somebody has to read it before this program reaches the port.
    print("Handling connection for 8080\\n" * 100_000, flush=True)
    socket.create_connection(("127.0.0.1", {port}))
    signal.pause()
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
    async with secured_program(tmp_path, "agent") as agent:
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
    async with secured_program(tmp_path, "function") as function:
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


def test_a_cluster_that_is_away_is_told_without_what_kubectl_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", Kubectl(tmp_path, 1).path)
    with pytest.raises(KubectlFailed) as failed, forwarded("away", "space"):
        pass
    said = str(failed.value)
    assert "kubectl says: The connection to the server localhost:8080 was refused" in said
    assert "memcache" not in said
    assert "; no cluster answers: set KUBECONFIG" in said


def test_a_forward_lives_longer_than_what_a_pipe_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("PATH", Kubectl(tmp_path, port).path)
        with forwarded("busy", "space") as found:
            assert found == port
            server.settimeout(LIMIT)
            # kubectl connects when all that it prints is read.
            server.accept()[0].close()


def test_of_what_kubectl_prints_without_a_port_only_the_beginning_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", Kubectl(tmp_path, 1).path)
    said = "kubectl says: error: no way"
    with pytest.raises(KubectlFailed, match=said) as failed, forwarded("noisy", "space"):
        pass
    assert len(str(failed.value)) < 2 * MAX_HEAD_BYTES


LIST = (
    "get services --selector=app.kubernetes.io/name=omnia-history,"
    "omnia.altairalabs.ai/history-of=space --output=json --all-namespaces"
)
HISTORY_FORWARD = (
    "port-forward service/omnia-history :http --namespace=omnia-system --pod-running-timeout=30s"
)


@pytest.fixture
def history() -> Iterator[tuple[int, list[str]]]:
    """Serve a history without sessions; yield its port, and the credentials that came."""
    credentials: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            credentials.append(self.headers["Authorization"])
            answer = b'{"sessions": [], "next": null}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, credentials
    server.shutdown()
    server.server_close()
    thread.join()


async def test_sessions_of_a_cluster_are_read_with_a_token_for_their_history(
    tmp_path: Path, history: tuple[int, list[str]]
) -> None:
    port, credentials = history
    kubectl = Kubectl(tmp_path, port)
    code, printed = await omnia(
        *("sessions", "list", "-n", "space", "--service-account", "auditor"), PATH=kubectl.path
    )
    assert (code, printed.split()[:2]) == (0, ["AGENT", "ID"])
    assert kubectl.asked == [
        LIST,
        "create token auditor --namespace=space --audience=omnia://space/history",
        HISTORY_FORWARD,
    ]
    assert credentials == ["Bearer k3y"]


async def test_sessions_of_a_cluster_are_read_with_the_token_that_is_given(
    tmp_path: Path, history: tuple[int, list[str]]
) -> None:
    port, credentials = history
    kubectl = Kubectl(tmp_path, port)
    code, _ = await omnia(
        *("sessions", "list", "--namespace", "space"), PATH=kubectl.path, OMNIA_TOKEN="mine"
    )
    assert (code, kubectl.asked) == (0, [LIST, HISTORY_FORWARD])
    assert credentials == ["Bearer mine"]


async def test_a_turn_in_a_cluster_is_cancelled_at_its_agent(tmp_path: Path) -> None:
    async with secured_program(tmp_path, "agent") as agent:
        agent.runtime.cancel_state = pb.CANCEL_STATE_ACCEPTED
        kubectl = Kubectl(tmp_path, agent.port)
        cancel = ("sessions", "cancel", "s1", "-n", "space", "--agent", "agent")
        code, printed = await omnia(*cancel, PATH=kubectl.path)
        refused, why = await omnia(*cancel, PATH=kubectl.path, OMNIA_TOKEN="another")
    assert (code, printed.strip()) == (0, "the running turn of s1 ends")
    assert agent.runtime.turns_cancelled == ["s1"]
    assert kubectl.asked == [
        "create token default --namespace=space --audience=omnia://space/agent",
        FORWARD,
        FORWARD,
    ]
    assert (refused, "HTTP 401" in why) == (1, True)


async def test_a_session_in_a_cluster_is_named_at_its_agent(tmp_path: Path) -> None:
    async with secured_program(tmp_path, "agent") as agent:
        agent.runtime.name_state = pb.RESUME_STATE_RESUMABLE
        kubectl = Kubectl(tmp_path, agent.port)
        name = ("sessions", "name", "s1", "My desk", "-n", "space", "--agent", "agent")
        code, printed = await omnia(*name, PATH=kubectl.path)
        agent.runtime.name_state = pb.RESUME_STATE_NOT_FOUND
        unknown, why = await omnia(*name, PATH=kubectl.path)
    assert (code, printed.strip()) == (0, "s1 is called My desk")
    assert agent.runtime.names[0] == ("s1", "My desk")
    assert (unknown, "HTTP 404" in why) == (1, True)


async def test_an_agent_that_the_history_does_not_name_has_to_be_given(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    code, printed = await omnia("sessions", "cancel", "s1", "-n", "empty", PATH=kubectl.path)
    assert code == 1
    assert "give it with --agent: the cluster has no history" in printed


async def test_an_address_and_a_namespace_exclude_each_other(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, 1)
    code, printed = await omnia(
        *("sessions", "show", "s1", "-n", "space", "--url", "http://127.0.0.1:1"),
        PATH=kubectl.path,
    )
    assert (code, "--url and --namespace exclude each other" in printed) == (1, True)


def test_who_may_not_look_everywhere_for_a_history_looks_in_the_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl = Kubectl(tmp_path, 1)
    monkeypatch.setenv("PATH", kubectl.path)
    assert history_of("mine") == ("omnia-history", "omnia-system")
    assert [each.rpartition(" ")[2] for each in kubectl.asked] == [
        "--all-namespaces",
        "--namespace=mine",
    ]
    with pytest.raises(KubectlFailed, match=r"history\.namespace=empty"):
        history_of("empty")
