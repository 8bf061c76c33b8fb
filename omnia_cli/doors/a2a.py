"""A2A 1.0 over JSON-RPC: one task for each message."""

import uuid
from collections.abc import Iterator

from omnia_cli.doors.client import Address, DoorUnusable, Note, events
from omnia_core.cards.card import TOOLS_EXTENSION, USAGE_EXTENSION
from omnia_core.jsonvalue import JsonObject

_HEADERS = {"A2A-Version": "1.0", "A2A-Extensions": TOOLS_EXTENSION}
_FAILED = ("TASK_STATE_FAILED", "TASK_STATE_REJECTED")
_WAITING = ("TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED")


class A2aClient:
    """Talks to `/a2a`; the context is the session."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def send(self, text: str, session_id: str) -> Iterator[str | Note]:
        message = {
            "messageId": str(uuid.uuid4()),
            "contextId": session_id,
            "role": "ROLE_USER",
            "parts": [{"text": text}],
        }
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "SendStreamingMessage",
            "params": {"message": message},
        }
        with self._address.post("/a2a", body, _HEADERS) as response:
            if response.headers.get_content_type() != "text/event-stream":
                raise DoorUnusable(f"/a2a refused the message: {response.read(2000).decode()}")
            for event in events(response):
                result = event["result"]
                if update := result.get("artifactUpdate"):
                    yield from (
                        part["text"] for part in update["artifact"]["parts"] if "text" in part
                    )
                elif update := result.get("statusUpdate"):
                    yield from _notes(update)


def _notes(update: JsonObject) -> Iterator[Note]:
    state, message = update["status"]["state"], update["status"].get("message")
    for part in message["parts"] if message else ():
        if state in _FAILED:
            yield Note(part.get("text", state), failed=True)
        elif call := part.get("data", {}).get("tool_call"):
            yield Note(f"→ {call['name']}", failed=state in _WAITING)
        elif result := part.get("data", {}).get("tool_result"):
            yield Note(f"← {result['result']}")
    if usage := update.get("metadata", {}).get(USAGE_EXTENSION):
        yield Note(f"{usage['input_tokens']} tokens in · {usage['output_tokens']} tokens out")
