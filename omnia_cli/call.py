"""The command `omnia call`: one call of a function."""

import http.client
from urllib.parse import urlsplit

import orjson

TIMEOUT_SECONDS = 150.0


class CallFailed(Exception):
    """The function could not be called, or answered with an error; the message is for people."""


def call(url: str, body: bytes, token: str | None) -> bytes:
    """POST JSON text to a function and return its answer, indented.

    Raises:
        CallFailed: the body is no JSON, or the function cannot be reached or fails.
    """
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CallFailed(f"the input is not JSON: {error}") from error
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise CallFailed(f"{url} cannot be reached: {error}") from error
    finally:
        connection.close()
    text = _indented(answer)
    if response.status != http.client.OK:
        raise CallFailed(f"HTTP {response.status} {response.reason}\n{text.decode()}")
    return text


def _indented(answer: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(answer), option=orjson.OPT_INDENT_2)
    except orjson.JSONDecodeError:
        return answer
