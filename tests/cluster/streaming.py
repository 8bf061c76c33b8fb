"""Clients that talk to an agent without a pause, and note every answer that was cut."""

import json

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import everything, here
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

ANSWER = "one two three four five six seven eight nine ten"
# About a second for an answer: at any moment of a rollout all clients are in the middle of one.
_PACED = {"defaultResponse": ANSWER, "inter_chunk_ms": 100}

# The image of the facade has websockets. An answer is cut when its first chunk came and its end did
# not; a message without any chunk is sent again, on the next connection, with the session.
_CLIENTS = """
import asyncio, collections, json, os, sys
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
url, answer, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = collections.Counter(answered=0, cut=0, wrong=0, moved=0, lost=0)
codes = collections.Counter()
def over():
    return os.path.exists("/tmp/over")
async def turn(socket, session):
    text = ""
    try:
        message = {"type": "message", "content": "count", "session_id": session}
        await socket.send(json.dumps(message))
        while True:
            frame = json.loads(await asyncio.wait_for(socket.recv(), 60))
            if frame["type"] == "chunk":
                text += frame["content"]
            elif frame["type"] == "error":
                codes[frame["error"]["code"]] += 1
                seen["cut"] += bool(text)
                return False
            elif frame["type"] == "done":
                seen["answered"] += 1
                seen["wrong"] += text != answer
                return True
    except ConnectionClosed as closed:
        codes[closed.rcvd.code if closed.rcvd else 1006] += 1
        seen["cut"] += bool(text)
        raise
async def client():
    session = ""
    while not over():
        try:
            async with connect(url + (f"?session_id={session}" if session else "")) as socket:
                while True:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), 60))
                    if frame["type"] == "error":
                        codes[frame["error"]["code"]] += 1
                        seen["lost"] += 1
                        session = ""
                        break
                    if frame["type"] == "connected" and session in ("", frame["session_id"]):
                        session = frame["session_id"]
                        break
                while not over():
                    await turn(socket, session)
        except ConnectionClosed:
            seen["moved"] += 1
        except (OSError, InvalidHandshake) as error:
            codes[type(error).__name__] += 1
            await asyncio.sleep(0.1)
async def main():
    await asyncio.gather(*(client() for _ in range(count)))
    print(json.dumps({**seen, "codes": codes}))
asyncio.run(main())
"""


def paced(secret: str) -> list[JsonObject]:
    """An agent `helper` that answers at the pace of speech, with its sessions in a Redis."""
    documents = everything({"session": {"type": "redis", "storeRef": {"name": secret}}})
    slow = here(objects.provider({"mock": {"responses": _PACED}}))
    return [each for each in documents if each["kind"] != "Provider"] + [slow]


def start(kubectl: Kubectl, image: str, agent: str, count: int) -> None:
    """Start a pod with that many clients."""
    url = f"ws://{agent}:8080/ws"
    kubectl(
        *("run", "clients", f"--image={image}", "--restart=Never", "--command", "--"),
        *("python", "-c", _CLIENTS, url, ANSWER, str(count)),
    )
    kubectl.wait("pod/clients", "condition=Ready")


def stop(kubectl: Kubectl) -> JsonObject:
    """Let the clients finish; return what they saw."""
    kubectl("exec", "clients", "--", "python", "-c", "open('/tmp/over', 'w')")
    kubectl.wait_succeeded("clients")
    seen: JsonObject = json.loads(kubectl("logs", "clients"))
    return seen
