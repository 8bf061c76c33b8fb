"""What a client may send, and what it is told otherwise; and the frames of the server."""

import json
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_facade.backend.events import Done, ToolCallEvent, ToolResultEvent
from omnia_facade.ws import frames
from omnia_facade.ws.messages import FrameRefused, held_bytes, parse
from omnia_facade.ws.protocol import text_frame

ACCEPTED = {
    "text": '{"type":"message","content":"hi"}',
    "text of a session": '{"type":"message","content":"hi","session_id":"a-1"}',
    "null is absent": '{"type":"message","content":"hi","session_id":null,"parts":null}',
    "fields of a later version": '{"type":"message","content":"hi","mood":1}',
    "parts": '{"type":"message","parts":[{"type":"text","text":"hi"}]}',
    "an image": '{"type":"message","parts":[{"type":"image","media":{"mime_type":"image/png"}}]}',
    "an image that is described": (
        '{"type":"message","parts":[{"type":"image","media":{"mime_type":"image/png","data":"",'
        '"filename":"a.png","size_bytes":1,"width":2,"height":3,"detail":"low"}}]}'
    ),
    "sound that is described": (
        '{"type":"message","parts":[{"type":"audio","media":{"mime_type":"audio/wav","url":"x",'
        '"duration_ms":1,"sample_rate":8000,"channels":null}}]}'
    ),
    "an upload": (
        '{"type":"upload_request","upload_request":'
        '{"filename":"a","mime_type":"a/b","size_bytes":0}}'
    ),
    "a tool's result": '{"type":"tool_result","tool_result":{"call_id":"c","result":{"a":[1]}}}',
    "a tool's error": '{"type":"tool_result","tool_result":{"call_id":"c","error":"no"}}',
    "an acknowledgement": '{"type":"tool_call_ack","tool_call_ack":{"call_id":"c"}}',
    "a refusal": '{"type":"tool_call_nack","tool_call_nack":{"call_id":"c"}}',
    "cancel": '{"type":"cancel"}',
    "hangup": '{"type":"hangup"}',
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_protocol_knows_is_accepted(text: str) -> None:
    assert parse(text).type == orjson.loads(text)["type"]


REFUSED = {
    "no JSON": ("{", "INVALID_MESSAGE", "not JSON"),
    "nothing": ("", "INVALID_MESSAGE", "not JSON"),
    "too deep": ('{"type":"message","x":' + "[" * 100_000, "INVALID_MESSAGE", "deeper than 200"),
    "half a surrogate pair": ('{"type":"message","content":"\\ud800"}', "INVALID_MESSAGE", "JSON"),
    "no object": ("[1]", "INVALID_MESSAGE", "expected an object"),
    "no type": ('{"content":"hi"}', "INVALID_MESSAGE", "`type`"),
    "a type that is no string": ('{"type":1}', "INVALID_MESSAGE", 'a string "type"'),
    "an unknown type": ('{"type":"chat"}', "INVALID_MESSAGE", '"chat"; expected one of message,'),
    "an unknown type with other fields": (
        '{"type":"chat","content":{}}',
        "INVALID_MESSAGE",
        '"chat"; expected one of message,',
    ),
    "content that is no string": (
        '{"type":"message","content":3}',
        "INVALID_MESSAGE",
        "Expected `str | null`, got `int` - at `$.content`",
    ),
    "no content": ('{"type":"message"}', "INVALID_MESSAGE", '"content"'),
    "an unknown part": (
        '{"type":"message","parts":[{"type":"smell"}]}',
        "INVALID_MESSAGE",
        "$.parts[0].type",
    ),
    "a part without its media": (
        '{"type":"message","parts":[{"type":"image"}]}',
        "INVALID_MESSAGE",
        "$.parts[0].media",
    ),
    "a session id that no header could carry": (
        '{"type":"message","content":"hi","session_id":"ä\\n"}',
        "INVALID_MESSAGE",
        "session_id",
    ),
    "a result without its body": ('{"type":"tool_result"}', "INVALID_MESSAGE", '"tool_result"'),
    "an upload without its body": (
        '{"type":"upload_request"}',
        "INVALID_MESSAGE",
        'needs an object "upload_request"',
    ),
    "an upload of less than nothing": (
        (
            '{"type":"upload_request","upload_request":'
            '{"filename":"a","mime_type":"a/b","size_bytes":-1}}'
        ),
        "INVALID_MESSAGE",
        "$.upload_request.size_bytes",
    ),
    "media with a detail that nobody knows": (
        '{"type":"message","parts":[{"type":"image","media":{"detail":"exact"}}]}',
        "INVALID_MESSAGE",
        "$.parts[0].media.detail",
    ),
}


@pytest.mark.parametrize(("text", "code", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_accepted_is_told_with_what_was_expected(
    text: str, code: str, said: str
) -> None:
    with pytest.raises(FrameRefused) as caught:
        parse(text)
    assert caught.value.code == code
    assert said in caught.value.message


def decoded(frame: bytes) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(frame)
    assert value.pop("timestamp").endswith("Z")
    return value


def test_connected_announces_the_session_and_what_the_server_can_do() -> None:
    capabilities = {
        "binary_frames": False,
        "max_payload_size": 16777216,
        "protocol_version": 1,
    }
    assert decoded(frames.connected("s")) == {
        "type": "connected",
        "session_id": "s",
        "connected": {"capabilities": capabilities},
    }
    agreed = decoded(frames.connected("s", binary=True))
    assert agreed["connected"]["capabilities"]["binary_frames"] is True
    resumed = decoded(frames.connected("s", resumed=True))
    assert resumed["connected"]["resumed"] is True
    assert "session_name" not in resumed["connected"]
    named = decoded(frames.connected("s", resumed=True, session_name="Lost parcel"))
    assert named["connected"]["session_name"] == "Lost parcel"


def test_a_chunk_is_the_same_json_as_if_it_were_built_the_long_way() -> None:
    text = 'a "quoted"\nline, and ü \u2028'
    assert decoded(frames.chunk(frames.chunk_prefix("s"), text)) == {
        "type": "chunk",
        "session_id": "s",
        "content": text,
    }


def test_done_carries_the_text_the_usage_and_the_reason() -> None:
    event = Done("text", Usage(1, 2, cost_usd=0.0008), "stop", (Part("text", "text"),))
    assert decoded(frames.done("s", event)) == {
        "type": "done",
        "session_id": "s",
        "content": "text",
        "parts": [{"type": "text", "text": "text"}],
        "usage": {"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.0008},
        "finish_reason": "stop",
    }
    assert "usage" not in decoded(frames.done("s", Done("text")))


def test_media_says_of_itself_what_is_known() -> None:
    media = Media("image/png", url="x", filename="a.png", width=2, detail="low")
    (part,) = decoded(frames.done("s", Done("", parts=(Part("image", media=media),))))["parts"]
    assert part["media"] == {
        "mime_type": "image/png",
        "url": "x",
        "filename": "a.png",
        "width": 2,
        "detail": "low",
    }


def test_an_integer_of_any_size_is_shown_as_it_is() -> None:
    call = ToolCall("c", "pay", '{"cents":123456789012345678901234567890}')
    frame = frames.tool_call("s", ToolCallEvent(call))
    assert b'"arguments":{"cents":123456789012345678901234567890}' in frame


def test_a_tool_call_says_who_executes_it() -> None:
    call = ToolCallEvent(ToolCall("c", "locate", '{"a":1}'), True, "May I?", ("location",))
    assert decoded(frames.tool_call("s", call))["tool_call"] == {
        "id": "c",
        "name": "locate",
        "arguments": {"a": 1},
        "execution": "client",
        "consent_message": "May I?",
        "categories": ["location"],
    }
    shown = decoded(frames.tool_call("s", ToolCallEvent(ToolCall("c", "locate", "not JSON"))))[
        "tool_call"
    ]
    assert shown == {
        "id": "c",
        "name": "locate",
        "arguments": "not JSON",
        "execution": "server",
    }


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (ToolResultEvent("c", ToolResult('{"a":1}')), {"id": "c", "result": {"a": 1}}),
        (ToolResultEvent("c", ToolResult("plain")), {"id": "c", "result": "plain"}),
        (ToolResultEvent("c", ToolResult('"no"', is_error=True)), {"id": "c", "error": "no"}),
        (
            ToolResultEvent("c", ToolResult('{"a":1}', is_error=True)),
            {"id": "c", "error": '{"a":1}'},
        ),
    ],
)
def test_a_tool_result_is_a_value_or_an_error(result: ToolResultEvent, shown: object) -> None:
    assert decoded(frames.tool_result("s", result))["tool_result"] == shown


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_frame_header_has_the_length_in_its_shortest_form(size: int, header: bytes) -> None:
    assert text_frame(b"x" * size) == header + b"x" * size


@given(st.text(), st.booleans())
def test_no_text_takes_more_memory_than_is_counted(content: str, escaped: bool) -> None:
    encoded = json.dumps({"type": "message", "content": content + "x"}, ensure_ascii=escaped)
    # Before it is parsed, because the parser keeps its UTF-8 beside the text.
    counted = held_bytes(encoded)
    held = parse(encoded).content or ""
    assert sys.getsizeof(held) - sys.getsizeof("") < counted + 100
    assert counted <= 4 * len(encoded) + 100
