"""The events of the Responses API, as far as they are read."""

import msgspec
from msgspec import Raw, Struct, field

from omnia_runtime.providers.lenient import JSONText, LenientDecoder, Prose

NOTHING = Raw()


class ResponseEvent(Struct, gc=False):
    """What most events need."""

    type: str = ""
    delta: Prose | None = None
    item: Raw = NOTHING
    response: Raw = NOTHING


class ResponseContent(Struct):
    """A part of a message."""

    type: str = ""
    text: Prose | None = None
    refusal: Prose | None = None


class ResponseEventDetail(Struct):
    """The other members of an event, and which part of the answer it belongs to."""

    text: Prose | None = None
    refusal: Prose | None = None
    part: ResponseContent | None = None
    arguments: JSONText | None = None
    delta: JSONText | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None


class ResponseItem(Struct):
    """A message, a tool call, or something else in an answer."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: JSONText | None = None
    status: str | None = None
    content: list[ResponseContent] | None = None


class ResponseTokenDetails(Struct):
    """What the input tokens consist of."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class ResponseTokens(Struct):
    """Token counts of the whole call."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: ResponseTokenDetails | None = None


class IncompleteDetails(Struct):
    """Why an answer is incomplete."""

    reason: str | None = None


class FinalResponse(Struct):
    """The response at the end, with all of the answer."""

    status: str | None = None
    usage: ResponseTokens | None = None
    incomplete_details: IncompleteDetails | None = None
    output: list[Raw] = field(default_factory=list)
    output_text: Prose | None = None


decode_event = msgspec.json.Decoder(ResponseEvent).decode
lenient_event = LenientDecoder(ResponseEvent)
lenient_detail = LenientDecoder(ResponseEventDetail)
lenient_item = LenientDecoder(ResponseItem)
lenient_response = LenientDecoder(FinalResponse)
