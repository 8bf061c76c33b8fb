"""On a real cluster: its own tokens and client keys open an agent, and nothing else does."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import condition, here, pods, ready
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

pytestmark = [pytest.mark.usefixtures("omnia"), pytest.mark.timeout(180)]

# From a Secret that changes to a facade that knows: the operator, the kubelet, the next look.
KNOWN_SECONDS = 20

_SAY = """
import json, sys
from websockets.sync.client import connect
from websockets.exceptions import InvalidStatus
url, token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token} if token else {}
try:
    with connect(url, additional_headers=headers, open_timeout=5) as socket:
        socket.recv(timeout=10)
        socket.send(json.dumps({"type": "message", "content": "hi"}))
        frame = {"type": ""}
        while frame["type"] not in ("done", "error"):
            frame = json.loads(socket.recv(timeout=20))
        print(frame["type"])
except InvalidStatus as refused:
    print(refused.response.status_code, json.loads(refused.response.body)["detail"])
"""


def closed(auth: JsonObject | None = None) -> JsonObject:
    """An agent that answers by itself and, unlike others of this cluster, lets nobody in."""
    variable = {"name": "OMNIA_FACADE_ALLOW_UNAUTHENTICATED", "value": "false"}
    facade = {"handler": "echo", "extraEnv": [variable]}
    return here(objects.agent({"facade": facade, "externalAuth": auth or {}}))


def say(kubectl: Kubectl, token: str) -> str:
    """Return the type of the last frame, or why the handshake was refused."""
    pod = ("deployment/helper", "--container=facade")
    url = f"ws://helper.{kubectl.namespace}:8080/ws"
    said: list[str] = []

    def answers() -> bool:
        try:
            said.append(kubectl("exec", *pod, "--", "python", "-c", _SAY, url, token).strip())
        except HarnessError as error:
            if "refused" not in str(error):  # a ClusterIP may refuse for a moment
                raise
            return False
        return True

    wait_until("helper answers", answers, seconds=15)
    return said[0]


def token(kubectl: Kubectl, audience: str, *, account: str = "chatter") -> str:
    return kubectl("create", "token", account, f"--audience={audience}").strip()


def test_the_clusters_tokens_open_the_agent_that_they_are_for(shared: Kubectl) -> None:
    shared("create", "serviceaccount", "chatter")
    shared.apply(closed())
    ready(shared, "helper")
    audience = f"omnia://{shared.namespace}/helper"

    assert say(shared, token(shared, audience)) == "done"
    assert condition(shared, "helper", "ExternalAuth")[:2] == ("True", "DashboardOnly")

    other = say(shared, token(shared, f"omnia://{shared.namespace}/other"))
    assert other.startswith("401 ")
    assert f"expected {audience}" in other
    assert say(shared, token(shared, "https://elsewhere.example")).startswith("401 ")
    assert say(shared, "").startswith("401 ")


def test_accounts_of_another_namespace_come_in_when_they_are_named(
    shared: Kubectl, omnia: Kubectl
) -> None:
    shared.apply(closed())
    ready(shared, "helper")
    foreign = token(omnia, f"omnia://{shared.namespace}/helper", account="default")
    assert f'of the namespace "{omnia.namespace}" may not' in say(shared, foreign)
    before = pods(shared)

    shared.apply(closed({"management": {"namespaces": [omnia.namespace]}}))

    wait_until("it is let in", lambda: say(shared, foreign) == "done", seconds=KNOWN_SECONDS)
    assert pods(shared) == before


def test_a_client_key_of_kubectls_making_opens_the_agent_until_it_is_deleted(
    shared: Kubectl, tmp_path: Path
) -> None:
    shared.apply(closed({"clientKeys": {}}))
    ready(shared, "helper")
    before = pods(shared)
    assert say(shared, "k3y").startswith("401 ")

    name = "agent-helper-clientkey-shop"
    (tmp_path / "keyHash").write_bytes(sha256(b"k3y").digest())
    shared("create", "secret", "generic", name, f"--from-file={tmp_path / 'keyHash'}")
    assert say(shared, "k3y").startswith("401 ")
    shared(
        *("label", "secret", name),
        "omnia.altairalabs.ai/credential-kind=agent-client-key",
        "omnia.altairalabs.ai/agent=helper",
    )
    wait_until("the key works", lambda: say(shared, "k3y") == "done", seconds=KNOWN_SECONDS)
    collected = shared.get("secret", "omnia-helper-auth")["data"]
    assert collected == {f"{name}.keyHash": b64encode(sha256(b"k3y").digest()).decode()}

    shared("delete", "secret", name)
    wait_until(
        "the key is refused",
        lambda: say(shared, "k3y").startswith("401 "),
        seconds=KNOWN_SECONDS,
    )
    assert pods(shared) == before
