"""Talk to an agent over its Service, from inside: the image of the facade has a client."""

import json
import re
from pathlib import Path

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import SECONDS, eventually
from tests.cluster.kubectl import Kubectl

_SAY = """
import json, sys
from websockets.sync.client import connect
url, session, *messages = sys.argv[1:]
with connect(url + (f"?session_id={session}" if session else ""), open_timeout=60) as socket:
    connected = json.loads(socket.recv(timeout=60))
    session = session or connected["session_id"]
    answers = []
    for message in messages:
        socket.send(json.dumps({"type": "message", "content": message, "session_id": session}))
        frame, text = {"type": ""}, ""
        while frame["type"] not in ("done", "error"):
            frame = json.loads(socket.recv(timeout=60))
            text += frame.get("content", "") if frame["type"] == "chunk" else ""
        answers.append(text or frame.get("content") or json.dumps(frame))
    print(json.dumps({"session": session, "answers": answers}))
"""

_MANY = """
import json, sys
from websockets.sync.client import connect
url, sessions, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
names = []
for _ in range(sessions):
    with connect(url, open_timeout=60) as socket:
        names.append(json.loads(socket.recv(timeout=60))["session_id"])
        for _ in range(turns):
            message = {"type": "message", "content": "hello", "session_id": names[-1]}
            socket.send(json.dumps(message))
            frame = {"type": ""}
            while frame["type"] not in ("done", "error"):
                frame = json.loads(socket.recv(timeout=60))
            assert frame["type"] == "done", frame
print(json.dumps(names))
"""

_POST = """
import sys, urllib.request
url, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""

_SHARE = """
import json, sys, urllib.request
from websockets.sync.client import connect
address, text = sys.argv[1:]
def ask(method, url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body.encode(), headers, method=method)
    return urllib.request.urlopen(request, timeout=60).read()
with connect(f"ws://{address}/ws", open_timeout=60) as socket:
    session = json.loads(socket.recv(timeout=60))["session_id"]
    wanted = {"session_id": session, "filename": "a.txt", "mime_type": "text/plain"}
    body = json.dumps({**wanted, "size_bytes": len(text.encode())})
    ticket = json.loads(ask("POST", f"http://{address}/media/request-upload", body))
    ask("PUT", ticket["upload_url"], text)
    media = {"storage_ref": ticket["storage_ref"], "mime_type": "text/plain"}
    part = {"type": "file", "media": media}
    socket.send(json.dumps({"type": "message", "parts": [part]}))
    frame = {"type": ""}
    while frame["type"] not in ("done", "error"):
        frame = json.loads(socket.recv(timeout=60))
    print(json.dumps({"storage_ref": ticket["storage_ref"], "answer": frame}))
"""

# A ClusterIP may refuse for a moment after its pods are ready, the name of a new Service may be
# unknown, and kubectl may choose a pod that has just gone or does not run yet.
_AWAY = re.compile(
    "refused|container not found|pods? .* not found|not have a host assigned|completed pod"
    "|unable to upgrade connection|error dialing backend|gaierror"
)


def say(kubectl: Kubectl, agent: str, *messages: str, session: str = "") -> list[str]:
    """Return the answers of an agent to messages of one conversation."""
    return talk(kubectl, agent, *messages, session=session)[1]


def talk(kubectl: Kubectl, agent: str, *messages: str, session: str = "") -> tuple[str, list[str]]:
    """Return the session and the answers."""
    url = f"ws://{_address(kubectl, agent)}/ws"
    said = json.loads(_run(kubectl, agent, _SAY, url, session, *messages))
    return said["session"], said["answers"]


def talk_often(kubectl: Kubectl, agent: str, sessions: int, turns: int) -> list[str]:
    """Hold so many conversations of so many turns; return their sessions."""
    url = f"ws://{_address(kubectl, agent)}/ws"
    arguments = (url, str(sessions), str(turns))
    seconds = SECONDS + sessions * turns
    names: list[str] = json.loads(_run(kubectl, agent, _MANY, *arguments, seconds=seconds))
    return names


def call(kubectl: Kubectl, function: str, body: JsonObject) -> JsonObject:
    """Return what a function answers."""
    url = f"http://{_address(kubectl, function)}/functions/{function}"
    answer: JsonObject = json.loads(_run(kubectl, function, _POST, url, json.dumps(body)))
    return answer


def share(kubectl: Kubectl, agent: str, text: str) -> tuple[str, JsonObject]:
    """Upload a text and mention it; return its reference and the last frame of the answer."""
    shared = json.loads(_run(kubectl, agent, _SHARE, _address(kubectl, agent), text))
    return shared["storage_ref"], shared["answer"]


def read(kubectl: Kubectl, agent: str, path: Path | str) -> str:
    """Return a mounted file of the runtime container."""
    pod = (f"deployment/{agent}", "--container=runtime")
    return execute(kubectl, *pod, "--", *_cat(str(path)))


def _cat(path: str) -> tuple[str, ...]:
    return "python", "-c", "import sys; print(open(sys.argv[1]).read())", path


def _address(kubectl: Kubectl, agent: str) -> str:
    (port,) = kubectl.get("service", agent)["spec"]["ports"]
    return f"{agent}:{port['port']}"


def _run(
    kubectl: Kubectl, agent: str, script: str, *arguments: str, seconds: float = SECONDS
) -> str:
    pod = (f"deployment/{agent}", "--container=facade")
    return execute(kubectl, *pod, "--", "python", "-c", script, *arguments, seconds=seconds)


def execute(kubectl: Kubectl, *arguments: str, seconds: float = SECONDS) -> str:
    """Return what a program in a pod prints; begin again while the pod or its Service is away."""

    def attempt() -> str | HarnessError:
        try:
            return kubectl("exec", *arguments, seconds=seconds)
        except HarnessError as error:
            if _AWAY.search(str(error)):
                raise
            return error

    said = eventually(attempt)
    if isinstance(said, HarnessError):
        raise said
    return said


def wait_reachable(kubectl: Kubectl, name: str, port: int) -> None:
    """Return when the Service of a Deployment, whose pods have Python, leads to one of them.

    A Service may refuse connections for a moment after its pods are ready.
    """
    kubectl.wait_available(name)
    connect = f"import socket; socket.create_connection(('{name}', {port}), timeout=10)"
    eventually(lambda: kubectl("exec", f"deployment/{name}", "--", "python", "-c", connect))
