"""From an HTTP response to the result of a tool call."""

import base64
from typing import Any

import msgspec

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolResult
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.expressions import ExpressionFailed, apply_expression
from omnia_runtime.tools.output import redacted

_MAX_ERROR_BYTES = 512
_SERVER_ERROR = 500


class HTTPToolResponse(msgspec.Struct, frozen=True):
    """A complete HTTP response.

    Attributes:
        content_type: without parameters, in lower case.
        retry_after: seconds that the server asks to wait, None when it asks for none.
    """

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None

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
        if _is_image(response.content_type):
            return _image(response)
        if not self.redact and self.expression is None:
            return ToolResult(_compact(response.body))
        return ToolResult(msgspec.json.encode(self._mapped(_parsed(response.body))).decode())

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
        body = response.body
        if self.redact:
            try:
                value = msgspec.json.decode(body)
            except msgspec.DecodeError:
                return "(the text is hidden, because the handler has fields to redact)"
            body = msgspec.json.encode(redacted(value, self.redact))
        return body[:_MAX_ERROR_BYTES].decode(errors="replace")


def _compact(body: bytes) -> str:
    try:
        # Unlike decoding and encoding, this keeps every number as it is written.
        return msgspec.json.format(body, indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(_wrapped(body)).decode()


def _parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _wrapped(body)


def _wrapped(body: bytes) -> dict[str, str]:
    return {"result": body.decode(errors="replace")}


def _is_image(content_type: str) -> bool:
    # SVG is XML text, and no vendor accepts it as an image.
    return content_type.startswith("image/") and content_type != "image/svg+xml"


def _image(response: HTTPToolResponse) -> ToolResult:
    text = {"result": f"an image, {response.content_type}, {len(response.body)} bytes"}
    media = Media(mime_type=response.content_type, data=base64.b64encode(response.body).decode())
    return ToolResult(msgspec.json.encode(text).decode(), parts=(Part("image", media=media),))
