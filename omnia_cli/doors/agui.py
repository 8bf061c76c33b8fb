"""AG-UI: one run for each message."""

import uuid
from collections.abc import Iterator

from omnia_cli.doors.client import Address, Note, events


class AguiClient:
    """Talks to `/ag-ui`. The agent has the history, so only the new message is sent."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def send(self, text: str, session_id: str) -> Iterator[str | Note]:
        body = {
            "threadId": session_id,
            "runId": str(uuid.uuid4()),
            "messages": [{"id": str(uuid.uuid4()), "role": "user", "content": text}],
            "tools": [],
            "context": [],
        }
        with self._address.post("/ag-ui", body) as response:
            for event in events(response):
                match event["type"]:
                    case "TEXT_MESSAGE_CONTENT":
                        yield str(event["delta"])
                    case "TOOL_CALL_START":
                        yield Note(f"→ {event['toolCallName']}")
                    case "TOOL_CALL_RESULT":
                        yield Note(f"← {event['content']}")
                    case "RUN_ERROR":
                        yield Note(str(event["message"]), failed=True)
                    case "RUN_FINISHED":
                        for usage in event.get("usage", ()):
                            yield Note(
                                f"{usage['inputTokens']} tokens in ·"
                                f" {usage['outputTokens']} tokens out"
                            )
                    case _:
                        pass
