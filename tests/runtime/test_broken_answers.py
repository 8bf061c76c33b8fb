"""Answers over connections that break, and refusals in every shape: what a caller gets of them."""

import asyncio
import gzip
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ProviderError
from omnia_runtime.providers.retry import RetryingModel, Timing
from omnia_runtime.providers.vendor_stream import settled_arguments
from tests.runtime.faulty import FaultyServer, sends
from tests.runtime.field_calls import HI, KEY, LIMIT, Outcome, model_of, sse
from tests.runtime.grpc_server import certificate
from tests.runtime.servers import USAGE, call_piece, chunk
from tests.services import free_port

REASON = b'{"error": {"message": "it broke, and here is why"}}'


class Attempts:
    """Asks a model; waits between its attempts are recorded, and take no time."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def ask(self, url: str, kind: str = "chat", key: str = KEY) -> Outcome:
        found, client = Outcome(), HTTPClient()
        timing = Timing(sleep=self._sleep, chance=lambda: 0.0)
        model = RetryingModel(model_of(kind, url, client, key), "p", timing=timing)
        try:
            async with asyncio.timeout(LIMIT):
                async for event in model.stream(HI):
                    found.add(event)
        except ProviderError as error:
            found.error = error
        finally:
            await client.close()
        return found

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def answered(*pieces: bytes, kind: str = "chat") -> Outcome:
    server = FaultyServer(sends(*pieces))
    async with server.serving() as url:
        found = await Attempts().ask(url, kind)
    found.requests = server.asked
    return found


def http(status: int, body: bytes, length: int | None = None, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


CHUNKED = b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n"
WORDS = "it broke, and here is why"
REFUSED: list[tuple[str, list[bytes], int, str, int]] = [
    ("two packets", [http(400, REASON)[:-20], REASON[-20:]], 400, WORDS, 1),
    ("single bytes", [bytes([byte]) for byte in http(401, REASON)], 401, WORDS, 1),
    (
        "chunks",
        [
            CHUNKED + b"a\r\n" + REASON[:10] + b"\r\n",
            b"%x\r\n" % (len(REASON) - 10) + REASON[10:],
            b"\r\n0\r\n\r\n",
        ],
        400,
        WORDS,
        1,
    ),
    ("a body that is cut", [http(400, REASON, 500)], 400, WORDS, 1),
    ("a body that is cut, of a server that is busy", [http(503, REASON, 500)], 503, WORDS, 3),
    ("no byte of its body", [http(401, b"", 500)], 401, "status 401", 1),
    ("gzip", [http(400, gzip.compress(REASON), Content_Encoding="gzip")], 400, WORDS, 1),
    ("no gzip, but said to be", [http(400, REASON, Content_Encoding="gzip")], 400, "400", 1),
    (
        "a long body",
        [http(400, b'{"a": "' + b"x" * 40_000 + b'", "detail": "ho"}')],
        400,
        ": ho",
        1,
    ),
    ("no HTTP", [b"hello\r\n\r\n"], 0, "cannot be reached", 3),
    ("half a head", [b"HTTP/1.1 200 OK\r\nContent-Ty"], 0, "cannot be reached", 3),
]


@pytest.mark.parametrize(
    ("pieces", "status", "words", "requests"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
async def test_a_refusal_keeps_its_status_and_what_came_of_its_reason(
    pieces: list[bytes], status: int, words: str, requests: int
) -> None:
    found = await answered(*pieces)
    assert found.error is not None
    assert words in found.error.message
    assert (found.error.status, found.requests) == (status, requests)


EVENTS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Good day"}),
    chunk(call_piece(0, id="c", name="get", arguments='{"x": 9}')),
    chunk({}, "tool_calls"),
    chunk({}, usage=USAGE),
]
STREAM = b"".join([*sse(*EVENTS), b"data: [DONE]\n\n"])


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_every_success_may_bring_an_answer(status: int) -> None:
    found = await answered(http(status, STREAM, Content_Type="text/event-stream"))
    assert (found.error, found.text, found.reason) == (None, "Good day", "tool_use")


async def test_a_long_page_that_is_no_page_is_read_in_one_pass() -> None:
    for page in (b"<" * 4_000_000, b"<script " * 500_000):
        found = await answered(http(200, page, Content_Type="text/html"))
        assert found.error is not None
        assert 'the content type "text/html" and no answer of a model' in found.error.message


def test_arguments_that_repeat_are_read_in_one_pass() -> None:
    assert settled_arguments("{}\n" * 1_000_000 + '{"x": 9}') == '{"x": 9}'


async def test_an_answer_may_have_long_headers() -> None:
    policy = "default-src 'self' " + "https://a.example " * 2000
    found = await answered(
        http(200, STREAM, Content_Type="text/event-stream", Content_Security_Policy=policy)
    )
    assert (found.error, found.text) == (None, "Good day")


@pytest.mark.parametrize("cut", range(len(KEY) + 2))
async def test_a_key_that_is_cut_in_the_words_of_a_server_is_masked(cut: int) -> None:
    # At most 300 characters of the words are shown.
    words = "x" * (300 - cut) + KEY + "y" * 40
    event = b"data: " + json.dumps({"error": {"message": words}}).encode() + b"\n\n"
    for content_type in ("text/event-stream", "text/html"):
        body = event if content_type == "text/event-stream" else words.encode()
        found = await answered(http(200, body, Content_Type=content_type))
        assert found.error is not None
        assert KEY[:6] not in found.error.message


@pytest.mark.parametrize(
    ("key", "said", "shown"),
    [
        ("x", "the key x expired, next axe: x-ray", "the key *** expired, next axe: x-ray"),
        ("none", "nonesuch: none", "nonesuch: ***"),
        ("sk-12345", "wsk-123456", "w***6"),
        ("a.b", "axb a.b", "axb ***"),
    ],
)
async def test_a_short_key_leaves_the_words_of_an_error_readable(
    key: str, said: str, shown: str
) -> None:
    body = json.dumps({"error": {"message": said}}).encode()
    server = FaultyServer(sends(http(400, body)))
    async with server.serving() as url:
        found = await Attempts().ask(url, key=key)
    assert found.error is not None
    assert found.error.message == f'the provider "p" (openai) answered with status 400: {shown}'


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
PIECES = b"".join(
    b"%x\r\n%s\r\n" % (len(STREAM[at : at + 50]), STREAM[at : at + 50])
    for at in range(0, len(STREAM), 50)
)


@pytest.mark.parametrize(
    "whole",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + PIECES + b"0\r\n\r\n",
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + STREAM,
    ],
    ids=["chunks", "until the connection closes"],
)
async def test_a_connection_that_breaks_anywhere_is_the_answer_or_an_error(whole: bytes) -> None:
    complete = False
    for end in range(0, len(whole) + 1, 7):
        found = await answered(whole[:end])
        if found.error is None:
            complete = True
            assert (found.text, found.calls) == ("Good day", [("get", {"x": 9})])
            assert found.reason == "tool_use"
        else:
            assert not complete, "more of the answer is no worse than less"
            assert found.reason == "", "the answer or an error, never both"
            assert found.requests == (1 if found.text else 3)
            assert "failed: " not in found.error.message
    assert complete


def google(*details: Any) -> Any:
    return {"error": {"code": 429, "message": "slow down", "details": details}}


@pytest.mark.parametrize(
    "body",
    [
        google({"violations": [{}]}, {"retryDelay": "3.5s"}),
        [google({"retryDelay": "3.5s"})],
        google("odd", {"reason": 7}, {"retryDelay": {"seconds": 2}}, {"retryDelay": "3.5s"}),
    ],
)
async def test_the_wait_in_the_details_of_an_error_is_kept(body: Any) -> None:
    attempts = Attempts()
    server = FaultyServer(sends(http(429, json.dumps(body).encode())))
    async with server.serving() as url:
        await attempts.ask(url)
    event = b"data: " + json.dumps(body).encode() + b"\n\n"
    server = FaultyServer(sends(http(200, event, Content_Type="text/event-stream")))
    async with server.serving() as url:
        await attempts.ask(url)
    assert attempts.waits == [3.5] * 4


async def test_a_key_that_is_refused_in_a_list_of_errors_is_named() -> None:
    error = {"code": 400, "message": "not valid", "details": [{"reason": "API_KEY_INVALID"}]}
    found = await answered(http(400, json.dumps([{"error": error}]).encode()), kind="gemini")
    assert found.error is not None
    assert "refused the credential with status 400: not valid; its key" in found.error.message


async def test_a_server_that_cannot_be_reached_is_told_with_what_to_do(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path, "vendor"))
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    found = await Attempts().ask(f"https://127.0.0.1:{port}")
    server.close()
    assert found.error is not None
    assert f"127.0.0.1:{port}: it has an untrusted certificate" in found.error.message
    assert "attempts" not in found.error.message, "a certificate stays what it is"

    found = await Attempts().ask(f"http://127.0.0.1:{free_port()}")
    assert found.error is not None
    assert "it does not accept connections: check that it runs" in found.error.message
