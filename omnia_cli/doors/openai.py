"""The OpenAI API: one chat completion for each message."""

from collections.abc import Iterator

from omnia_cli.doors.client import Address, Note, events


class OpenAIClient:
    """Talks to `/v1/chat/completions`."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def send(self, text: str, session_id: str) -> Iterator[str | Note]:
        body = {
            "model": "default",
            "messages": [{"role": "user", "content": text}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        session = {"Omnia-Session-Id": session_id}
        with self._address.post("/v1/chat/completions", body, session) as response:
            for chunk in events(response):
                if "error" in chunk:
                    yield Note(str(chunk["error"]["message"]), failed=True)
                    return
                for choice in chunk["choices"]:
                    if piece := choice["delta"].get("content"):
                        yield str(piece)
                    for call in choice["delta"].get("tool_calls", ()):
                        function = call["function"]
                        yield Note(f"→ {function['name']} {function['arguments']}")
                if usage := chunk.get("usage"):
                    yield Note(
                        f"{usage['prompt_tokens']} tokens in ·"
                        f" {usage['completion_tokens']} tokens out"
                    )
