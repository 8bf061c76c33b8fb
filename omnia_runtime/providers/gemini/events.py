"""The chunks of a generateContent stream, as far as they are read.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

import msgspec
from msgspec import Struct


class FunctionCall(Struct, gc=False):
    """A whole tool call. Only newer models give it an id."""

    name: str = ""
    id: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Blob(Struct, gc=False, rename="camel"):
    """Bytes, base64."""

    mime_type: str = ""
    data: str = ""


class Part(Struct, gc=False, rename="camel"):
    """A piece of the answer: one of text, call or media."""

    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(Struct, gc=False):
    """What a chunk adds to the answer."""

    parts: list[Part] | None = None


class Candidate(Struct, gc=False, rename="camel"):
    """The answer; only one is asked for."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class Usage(Struct, gc=False, rename="camel"):
    """Token counts of the whole call so far."""

    prompt_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0


class Feedback(Struct, gc=False, rename="camel"):
    """Why the prompt was not answered."""

    block_reason: str | None = None


class Error(Struct, gc=False):
    """Why the answer broke off; `code` is an HTTP status."""

    code: int = 500
    message: str = ""


class Chunk(Struct, gc=False, rename="camel"):
    """A piece of a stream."""

    candidates: list[Candidate] | None = None
    usage_metadata: Usage | None = None
    prompt_feedback: Feedback | None = None
    error: Error | None = None


decode = msgspec.json.Decoder(Chunk).decode
