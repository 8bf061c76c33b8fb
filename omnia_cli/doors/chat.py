"""The AI SDK's protocol: one UI message for each message."""

import uuid
from collections.abc import Iterator

from omnia_cli.doors.client import Address, Note, events


class UIMessageClient:
    """Talks to `/api/chat`, as `useChat` does."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def send(self, text: str, session_id: str) -> Iterator[str | Note]:
        message = {
            "id": str(uuid.uuid4()),
            "role": "user",
            "parts": [{"type": "text", "text": text}],
        }
        body = {"id": session_id, "messages": [message], "trigger": "submit-message"}
        with self._address.post("/api/chat", body) as response:
            for event in events(response):
                match event["type"]:
                    case "text-delta":
                        yield str(event["delta"])
                    case "tool-input-available":
                        yield Note(f"→ {event['toolName']}")
                    case "tool-output-available":
                        yield Note(f"← {event['output']}")
                    case "error":
                        yield Note(str(event["errorText"]), failed=True)
                    case "data-session":
                        usage = event["data"].get("usage") or {}
                        if usage:
                            yield Note(
                                f"{usage['input_tokens']} tokens in ·"
                                f" {usage['output_tokens']} tokens out"
                            )
                    case _:
                        pass
