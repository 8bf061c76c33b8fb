"""A model in the cluster that answers with its system prompt, and a client that asks it through an
agent a thousand times.
"""

import json

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.images import image
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import execute
from tests.cluster.tool_servers import service
from tests.operator.cluster import config_map

# The image of the runtime has aiohttp.
_SERVER = """
import json
from aiohttp import web

async def answer(request):
    body = json.loads(await request.read())
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    said = {"content": body["messages"][0]["content"]}
    for delta, reason in ((said, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        await response.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\\n\\n")
    await response.write(b"data: [DONE]\\n\\n")
    return response

app = web.Application()
app.router.add_post("/v1/chat/completions", answer)
web.run_app(app, host="0.0.0.0", port=8000, access_log=None)
"""

# The image of the facade has websockets.
_MANY = """
import asyncio, json, sys
from websockets.asyncio.client import connect
url, count, users = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

async def begin(gate, number):
    user = f"user-{number % users}" if users else ""
    headers = {"x-user-id": user} if user else {}
    connecting = connect(url, open_timeout=120, additional_headers=headers)
    async with gate, asyncio.timeout(120), connecting as socket:
        session = json.loads(await socket.recv())["session_id"]
        await socket.send(json.dumps({"type": "message", "content": "Which version are you?"}))
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] in ("done", "error"):
                return session, user, frame.get("content") or text

async def main():
    gate = asyncio.Semaphore(20)
    print(json.dumps(await asyncio.gather(*(begin(gate, each) for each in range(count)))))

asyncio.run(main())
"""


def prompt_teller() -> list[JsonObject]:
    """A model `teller`, at port 8000."""
    labels = {"app": "teller"}
    container = {
        "name": "server",
        "image": image("runtime"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/srv/server.py"],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{"name": "server", "mountPath": "/srv"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "server", "configMap": {"name": "teller"}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "teller"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    return [
        config_map("teller", {"server.py": _SERVER}),
        deployment,
        service("teller", {"port": 8000}),
    ]


def begin_sessions(kubectl: Kubectl, agent: str, count: int) -> dict[str, str]:
    """Return what an agent answers to the first message of new sessions, by session."""
    return {session: said for session, _, said in _begin(kubectl, agent, count, 0)}


def begin_sessions_of_users(
    kubectl: Kubectl, agent: str, users: int, sessions: int
) -> list[tuple[str, str, str]]:
    """Begin so many sessions of each of so many users, whose header is `x-user-id`.

    Return the session, the user and the answer of each.
    """
    return _begin(kubectl, agent, users * sessions, users)


def _begin(kubectl: Kubectl, agent: str, count: int, users: int) -> list[tuple[str, str, str]]:
    url = f"ws://{agent}:8080/ws"
    pod = (f"deployment/{agent}", "--container=facade")
    arguments = (url, str(count), str(users))
    said = execute(kubectl, *pod, "--", "python", "-c", _MANY, *arguments, seconds=600)
    return [(session, user, answer) for session, user, answer in json.loads(said)]
