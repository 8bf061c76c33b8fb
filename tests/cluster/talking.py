"""Talk to an agent over its Service, from inside: the image of the facade has a client."""

import json
from pathlib import Path

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.errors import HarnessError
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl

_SAY = """
import json, sys
from websockets.sync.client import connect
url, session, *messages = sys.argv[1:]
with connect(url + (f"?session_id={session}" if session else ""), open_timeout=5) as socket:
    connected = json.loads(socket.recv(timeout=10))
    session = session or connected["session_id"]
    answers = []
    for message in messages:
        socket.send(json.dumps({"type": "message", "content": message, "session_id": session}))
        frame, text = {"type": ""}, ""
        while frame["type"] not in ("done", "error"):
            frame = json.loads(socket.recv(timeout=20))
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
    with connect(url, open_timeout=5) as socket:
        names.append(json.loads(socket.recv(timeout=10))["session_id"])
        for _ in range(turns):
            message = {"type": "message", "content": "hello", "session_id": names[-1]}
            socket.send(json.dumps(message))
            frame = {"type": ""}
            while frame["type"] not in ("done", "error"):
                frame = json.loads(socket.recv(timeout=20))
            assert frame["type"] == "done", frame
print(json.dumps(names))
"""

_POST = """
import sys, urllib.request
url, body = sys.argv[1:]
request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""

_SHARE = """
import json, sys, urllib.request
from websockets.sync.client import connect
address, text = sys.argv[1:]
def ask(method, url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body.encode(), headers, method=method)
    return urllib.request.urlopen(request, timeout=20).read()
with connect(f"ws://{address}/ws", open_timeout=5) as socket:
    session = json.loads(socket.recv(timeout=10))["session_id"]
    wanted = {"session_id": session, "filename": "a.txt", "mime_type": "text/plain"}
    body = json.dumps({**wanted, "size_bytes": len(text.encode())})
    ticket = json.loads(ask("POST", f"http://{address}/media/request-upload", body))
    ask("PUT", ticket["upload_url"], text)
    media = {"storage_ref": ticket["storage_ref"], "mime_type": "text/plain"}
    part = {"type": "file", "media": media}
    socket.send(json.dumps({"type": "message", "parts": [part]}))
    frame = {"type": ""}
    while frame["type"] not in ("done", "error"):
        frame = json.loads(socket.recv(timeout=20))
    print(json.dumps({"storage_ref": ticket["storage_ref"], "answer": frame}))
"""

# A ClusterIP may refuse for a moment after its pods are ready.
_SECONDS = 15


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
    seconds = 60 + sessions * turns / 2
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
    return kubectl("exec", f"deployment/{agent}", "--container=runtime", "--", *_cat(str(path)))


def _cat(path: str) -> tuple[str, ...]:
    return "python", "-c", "import sys; print(open(sys.argv[1]).read())", path


def _address(kubectl: Kubectl, agent: str) -> str:
    (port,) = kubectl.get("service", agent)["spec"]["ports"]
    return f"{agent}:{port['port']}"


def _run(kubectl: Kubectl, agent: str, script: str, *arguments: str, seconds: float = 60) -> str:
    said: list[str] = []
    pod = (f"deployment/{agent}", "--container=facade")

    def answers() -> bool:
        try:
            program = ("python", "-c", script, *arguments)
            said.append(kubectl("exec", *pod, "--", *program, seconds=seconds))
        except HarnessError as error:
            if "refused" not in str(error):
                raise
            return False
        return True

    wait_until(f"{agent} answers", answers, seconds=_SECONDS)
    return said[0]
