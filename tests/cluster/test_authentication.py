"""On a real cluster: its own tokens and client keys open an agent, and nothing else does."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import here, pods, ready, told
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import execute
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")

_SAY = """
import json, sys
from websockets.sync.client import connect
from websockets.exceptions import InvalidStatus
url, token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token} if token else {}
try:
    with connect(url, additional_headers=headers, open_timeout=30) as socket:
        socket.recv(timeout=60)
        socket.send(json.dumps({"type": "message", "content": "hi"}))
        frame = {"type": ""}
        while frame["type"] not in ("done", "error"):
            frame = json.loads(socket.recv(timeout=60))
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
    return execute(kubectl, *pod, "--", "python", "-c", _SAY, url, token).strip()


def token(kubectl: Kubectl, audience: str, *, account: str = "chatter") -> str:
    return kubectl("create", "token", account, f"--audience={audience}").strip()


def test_the_clusters_tokens_open_the_agent_that_they_are_for(shared: Kubectl) -> None:
    shared("create", "serviceaccount", "chatter")
    shared.apply(closed())
    ready(shared, "helper")
    audience = f"omnia://{shared.namespace}/helper"

    becomes(lambda: say(shared, token(shared, audience)), "done")
    told(shared, "helper", "ExternalAuth", ("True", "DashboardOnly"))

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

    becomes(lambda: say(shared, foreign), "done")
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
    becomes(lambda: say(shared, "k3y"), "done")
    collected = shared.get("secret", "omnia-helper-auth")["data"]
    assert collected == {f"{name}.keyHash": b64encode(sha256(b"k3y").digest()).decode()}

    shared("delete", "secret", name)

    def refused() -> None:
        assert say(shared, "k3y").startswith("401 ")

    eventually(refused)
    assert pods(shared) == before
