"""From an HTTP response to the result of a tool call."""

import base64
from http import HTTPStatus
from typing import Any

import msgspec

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_core.jsonvalue import TooDeep, check_depth
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.expressions import ExpressionFailed, apply_expression
from omnia_runtime.tools.images import image_type
from omnia_runtime.tools.output import redacted
from omnia_runtime.tools.text import decode_text, html_text, is_utf8, media_kind

_MAX_ERROR_BYTES = 512
_SERVER_ERROR = 500
# Types that say nothing about their bytes.
_BYTES = ("application/octet-stream", "binary/octet-stream")


class HTTPToolResponse(msgspec.Struct, frozen=True):
    """A complete HTTP response.

    Attributes:
        content_type: without parameters, in lower case.
        charset: of the Content-Type; None: UTF-8, or what a byte order mark says.
        location: the address of a redirect or of what was created, without what may be secret.
        coding: the Content-Encoding that the body still has, "" for none.
        retry_after: seconds that the server asks to wait, None when it asks for none.
    """

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None
    charset: str | None = None
    location: str = ""
    coding: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP statuses


class ResponseReader(msgspec.Struct, frozen=True):
    """Reads the responses of one handler.

    Attributes:
        handler: its name.
        redact: names of fields, at any depth, whose values are hidden from the model.
        expression: JMESPath that selects the result, None for all of it.
    """

    handler: str
    redact: frozenset[str] = frozenset()
    expression: str | None = None

    def result(self, response: HTTPToolResponse) -> ToolResult:
        """Return the result: JSON without white space; a body that is not JSON is wrapped.

        Raises:
            ToolFailed: the status is not 2xx, or the expression does not apply to the body.
        """
        if not response.succeeded:
            raise ToolFailed(
                f'handler "{self.handler}" answered HTTP {response.status}:'
                f" {self._excerpt(response)}",
                server_fault=response.status >= _SERVER_ERROR,
            )
        if (media := _media(response)) is not None:
            return media
        text = _text(response)
        if text is None:
            return ToolResult(msgspec.json.encode({"result": _described(response)}).decode())
        if not text.strip():
            text = _without_content(response)
        if not self.redact and self.expression is None:
            return ToolResult(_compact(text))
        return ToolResult(msgspec.json.encode(self._mapped(_parsed(text))).decode())

    def _mapped(self, value: Any) -> Any:
        visible = redacted(value, self.redact) if self.redact else value
        if self.expression is None:
            return visible
        try:
            return apply_expression(self.expression, visible)
        except ExpressionFailed as error:
            raise ToolFailed(
                f'the responseMapping of handler "{self.handler}" does not apply to the answer:'
                f" {error}"
            ) from error

    def _excerpt(self, response: HTTPToolResponse) -> str:
        if response.location:
            return f"a redirect to {response.location}, which tools do not follow"
        text = _text(response)
        if text is None:
            return _described(response)
        if self.redact:
            try:
                check_depth(text)
                value = msgspec.json.decode(text)
            except ValueError:
                return "(the text is hidden, because the handler has fields to redact)"
            text = msgspec.json.encode(redacted(value, self.redact)).decode()
        if response.content_type == "text/html":
            text = html_text(text)
        shown = text.encode()[:_MAX_ERROR_BYTES].decode(errors="replace").strip()
        return shown or _phrase(response.status)


def _phrase(status: int) -> str:
    try:
        return f"{HTTPStatus(status).phrase}, no body"
    except ValueError:
        return "no body"


def _without_content(response: HTTPToolResponse) -> str:
    """Return what a model is told of a success that has no body."""
    location = f", Location: {response.location}" if response.location else ""
    return f"HTTP {response.status} {_phrase(response.status)}{location}"


def _text(response: HTTPToolResponse) -> str | None:
    if response.coding and not is_utf8(response.body):
        return None
    return decode_text(response.body, response.content_type, response.charset)


def _compact(text: str) -> str:
    try:
        check_depth(text)
        # Unlike decoding and encoding, this keeps every number as it is written.
        return msgspec.json.format(text, indent=-1)
    except TooDeep as error:
        raise ToolFailed(f"the answer is {error}") from error
    except ValueError:
        return msgspec.json.encode({"result": text}).decode()


def _parsed(text: str) -> Any:
    try:
        check_depth(text)
        return msgspec.json.decode(text)
    except TooDeep as error:
        raise ToolFailed(f"the answer is {error}") from error
    except ValueError:
        return {"result": text}


def _media(response: HTTPToolResponse) -> ToolResult | None:
    """Return the image or audio of a response; None if it has none."""
    named = response.content_type
    kind = "image" if named in _BYTES else media_kind(named)
    mime_type = image_type(response.body, named) if kind == "image" else named
    if kind is None or mime_type in (None, *_BYTES) or response.coding or not response.body:
        return None
    shown = "an image" if kind == "image" else kind
    text = {"result": f"{shown}, {mime_type}, {len(response.body)} bytes"}
    media = Media(mime_type=mime_type, data=base64.b64encode(response.body).decode())
    return ToolResult(msgspec.json.encode(text).decode(), parts=(Part(kind, media=media),))


def _described(response: HTTPToolResponse) -> str:
    coding = f" in the encoding {response.coding}" if response.coding else ""
    return f"{response.content_type}, {len(response.body)} bytes{coding}"
