"""What servers of HTTP tools answer, byte by byte, is read or refused with its reason."""

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from omnia_core.conversation.tools import ToolResult
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.client import HTTPToolClient
from omnia_runtime.tools.http.request import HTTPToolRequest
from omnia_runtime.tools.http.response import ResponseReader
from tests.services import LIMIT

TYPE = "Content-Type: application/json"
BODY = b'{"a":1}'
PNG = b"\x89PNG\r\n\x1a\n...."
JPEG = b"\xff\xd8\xff\xe0...."
HTML = (
    b"<!DOCTYPE html><html><head><title>Oops</title><style>b{color:red}</style>"
    b"<script>track()</script></head><body><!-- x --><h1>We broke</h1>it.</body></html>"
)


def message(
    *headers: str, status: str = "200 OK", body: bytes = BODY, length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {size}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", TYPE, "Transfer-Encoding: chunked", *headers, "", ""]
    return "\r\n".join(head).encode() + body


async def result_of(answer: bytes) -> ToolResult:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    client = HTTPClient()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(LIMIT):
        port = server.sockets[0].getsockname()[1]
        request = HTTPToolRequest("GET", f"http://127.0.0.1:{port}/x/y?key=secret", {}, None)
        try:
            response = await HTTPToolClient("shop", client, None, 5.0).send(request)
        finally:
            await client.close()
    return ResponseReader("shop").result(response)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (message(TYPE), '{"a":1}'),
        (message("cOnTeNt-TyPe: Application/JSON"), '{"a":1}'),
        (message("Content-Type: application/json", "Content-Type: text/html"), '{"a":1}'),
        (message(), '{"a":1}'),
        (message("Content-Type: ;;;"), '{"a":1}'),
        (message(TYPE, "X-Name: Jos\xe9"), '{"a":1}'),
        (message(TYPE, "X-Folded: a\r\n b"), '{"a":1}'),
        (message(TYPE, *["Set-Cookie: a=" + "b" * 4000] * 5), '{"a":1}'),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + message(TYPE), '{"a":1}'),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + message(TYPE), '{"a":1}'),
        (b"HTTP/1.0 200\r\n\r\n" + BODY, '{"a":1}'),
        (chunked(b'3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\nX-T: 1\r\n\r\n', "Trailer: X-T"), '{"a":1}'),
        (message(TYPE, "Content-Encoding: gzip", body=gzip.compress(BODY)), '{"a":1}'),
        (message(TYPE, "Content-Encoding: deflate", body=zlib.compress(BODY)), '{"a":1}'),
        (message(TYPE, "Content-Encoding: deflate", body=zlib.compress(BODY)[2:-4]), '{"a":1}'),
        (message(TYPE, "Content-Encoding: utf-8"), '{"a":1}'),
        (
            message(TYPE, "Content-Encoding: x-gzip", body=gzip.compress(BODY, mtime=0)),
            '{"result":"application/json, 27 bytes in the encoding x-gzip"}',
        ),
        (message(status="204 No Content", body=b""), '{"result":"HTTP 204 No Content, no body"}'),
        (message(TYPE, body=b" \n"), '{"result":"HTTP 200 OK, no body"}'),
        (
            message("Location: /jobs/7?token=s", status="202 Accepted", body=b""),
            '{"result":"HTTP 202 Accepted, no body, Location: http://127.0.0.1:PORT/jobs/7"}',
        ),
        (
            message("Content-Type: application/x-ndjson", body=b'{"a":1}\n{"a":2}\n'),
            '{"result":"{\\"a\\":1}\\n{\\"a\\":2}\\n"}',
        ),
        (message(TYPE, body=b'{"i":12345678901234567890123,"f":1.10}'), None),
        (message(TYPE, body=b'{"a":NaN}'), '{"result":"{\\"a\\":NaN}"}'),
        (message("Content-Type: image/png", body=b"\0\1"), '{"result":"image/png, 2 bytes"}'),
    ],
)
async def test_an_answer_is_read(answer: bytes, content: str | None) -> None:
    result = await result_of(answer)
    shown = result.content.replace(_port(result.content), "PORT")
    assert shown == (answer.partition(b"\r\n\r\n")[2].decode() if content is None else content)
    assert result.parts == ()


def _port(text: str) -> str:
    return text.partition("127.0.0.1:")[2].partition("/")[0] or "PORT"


@pytest.mark.parametrize(
    ("named", "body", "shown"),
    [
        ("image/png", PNG, "image/png"),
        ("image/png", JPEG, "image/jpeg"),
        ("image/jpg", JPEG, "image/jpeg"),
        ("image/*", b"RIFF....WEBPVP8 ", "image/webp"),
        ("image/bmp", b"BM..", "image/bmp"),
        ("application/octet-stream", PNG, "image/png"),
    ],
)
async def test_an_image_has_the_type_of_its_bytes(named: str, body: bytes, shown: str) -> None:
    result = await result_of(message(f"Content-Type: {named}", body=body))
    (part,) = result.parts
    assert part.media is not None
    assert (part.type, part.media.mime_type) == ("image", shown)
    assert result.content == f'{{"result":"an image, {shown}, {len(body)} bytes"}}'


GARBLED = "did not answer with HTTP that can be read: "
UNREADABLE = "answered with a body that cannot be read: "


@pytest.mark.parametrize(
    ("answer", "said", "server_fault"),
    [
        (message(status="404 Not Found", body=b""), "answered HTTP 404: Not Found, no body", False),
        (message(status="999 Odd", body=b""), "answered HTTP 999: no body", True),
        (message(status="304 Not Modified", body=b""), "HTTP 304: Not Modified, no body", False),
        (
            message("Content-Type: text/html", status="500 Oops", body=HTML),
            "answered HTTP 500: Oops We broke it.",
            True,
        ),
        (message("Location: //[bad", status="302 Found", body=b""), "an address that is", False),
        (message("Location: ../z?key=s", status="308 P", body=b""), "/z, which tools do", False),
        (message(status="403 F", body=b"\0\1"), "application/octet-stream, 2 bytes", False),
        (message(TYPE, length=50), UNREADABLE, True),
        (message(TYPE, "Content-Encoding: gzip"), UNREADABLE, True),
        (message(TYPE, "Content-Encoding: zstd", body=b"(\xb5/\xfd"), UNREADABLE, True),
        (chunked(b'7\r\n{"a":1}\r\n'), UNREADABLE, True),
        (chunked(b'zz\r\n{"a":1}\r\n0\r\n\r\n'), GARBLED, True),
        (message(TYPE, length=-5), GARBLED, True),
        (message("garbage"), GARBLED, True),
        (message("X-Huge: " + "a" * 70_000), GARBLED, True),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", GARBLED, True),
        (b"\x15\x03\x03\x00\x02\x02\x28", GARBLED, True),
        (b"", "cannot be reached at http://127.0.0.1:", True),
        (
            message(TYPE, "Content-Encoding: gzip", body=gzip.compress(b"0" * 30_000_000)),
            "answered more than 10 MiB",
            False,
        ),
    ],
)
async def test_an_answer_that_cannot_be_used_names_its_fault(
    answer: bytes, said: str, server_fault: Any
) -> None:
    with pytest.raises(ToolFailed) as failed:
        await result_of(answer)
    assert said in str(failed.value)
    assert failed.value.server_fault is server_fault
    assert "secret" not in str(failed.value)
